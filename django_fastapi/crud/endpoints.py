"""The endpoints of a CRUD router: what each takes from a request, and what it does with it."""

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, ClassVar, Final, Generic, TypeGuard, TypeVar
from urllib.parse import quote

from asgiref.sync import sync_to_async
from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from django_fastapi.conditional import is_known
from django_fastapi.orm.fields import field_type
from django_fastapi.orm.introspection import value_field
from django_fastapi.shortcuts import ObjectOr404

from .options import Crud, Operation
from .store import Shown, Store

K = TypeVar("K")
V = TypeVar("V")

_annotated: Final[Any] = Annotated


class Change(BaseModel, Generic[K, V]):
    """A change of one of several objects.

    Attributes:
        key: The primary key of the object.
        values: What is to be changed of it.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    key: K
    values: V


def make_endpoint(crud: Crud, operation: Operation) -> Callable[..., Any]:
    """Return the endpoint of an operation, with the signature that FastAPI reads."""
    work, parameters, words = _MAKERS[operation](crud)

    def endpoint(**values: Any) -> Any:
        return work(**values)

    async def async_endpoint(**values: Any) -> Any:
        return await sync_to_async(work)(**values)

    made: Any = async_endpoint if crud.run_async else endpoint
    made.__signature__ = Signature([_parameter("store", Annotated[Store, Depends(_store(crud))]), *parameters])
    made.__name__ = made.__qualname__ = f"{operation}_{crud.name}"
    made.__doc__ = words
    found: Callable[..., Any] = made
    return found


_Made = tuple[Callable[..., Any], list[Parameter], str]


def _parameter(name: str, annotation: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)


def _store(crud: Crud) -> Callable[..., Store]:
    """Return the dependency that gives the objects as the user sees them."""

    def get_store(user: Any = None) -> Store:
        return Store(crud, user)

    parameters = [_parameter("user", Annotated[Any, Depends(crud.user)])] if crud.needs_user else []
    get_store.__signature__ = Signature(parameters)  # type: ignore[attr-defined] # known to `inspect` alone
    return get_store


def _path(crud: Crud) -> list[Parameter]:
    """Return the parameters of the path that name an object."""
    return list(signature(ObjectOr404(crud.model, lookup=crud.lookup_field)).parameters.values())


def _key(values: dict[str, Any]) -> Any:
    return next(iter(values.values())) if len(values) == 1 else tuple(values.values())


def _title(crud: Crud) -> str:
    return str(crud.model._meta.verbose_name)


def _titles(crud: Crud) -> str:
    return str(crud.model._meta.verbose_name_plural)


def _list(crud: Crud) -> _Made:
    parameters = [_parameter("page", _annotated[Any, crud.page_params] if _is_bare(crud) else crud.page_params)]
    if crud.filters is not None:
        parameters.append(_parameter("filters", _annotated[crud.filters, Query()]))
    if crud.ordering is not None:
        parameters.append(_parameter("order", _annotated[Any, crud.ordering]))

    def work(store: Store, page: Any, filters: Any = None, order: Any = None) -> Any:
        rows = store.visible if filters is None else filters.apply(store.visible)
        return page.paginate(rows if order is None else order.apply(rows))

    return work, parameters, f"List the {_titles(crud)}."


def _is_bare(crud: Crud) -> bool:
    """Return whether the pages come with a dependency, and not with an annotation that has one."""
    return not hasattr(crud.page_params, "__metadata__")


def _retrieve(crud: Crud) -> _Made:
    def work(store: Store, request: Request, response: Response, **key: Any) -> Any:
        shown = store.show(_key(key))
        if shown.etag is not None and is_known(request.headers, shown.etag):
            return Response(status_code=304, headers={"ETag": shown.etag})
        return _shown(shown, response)

    return work, [*_exchange(), *_path(crud)], f"Show a {_title(crud)}."


def _create(crud: Crud) -> _Made:
    def work(store: Store, request: Request, response: Response, data: Any) -> Any:
        shown = store.create(data)
        path = "/".join(quote(str(part), safe="") for part in _parts(shown.key))
        response.headers["Location"] = f"{request.url.path.rstrip('/')}/{path}"
        return _shown(shown, response)

    return work, [*_exchange(), _parameter("data", crud.write)], f"Add a {_title(crud)}."


def _put(crud: Crud) -> _Made:
    return _update(crud, crud.write), _changing(crud, crud.write), f"Replace a {_title(crud)}."


def _patch(crud: Crud) -> _Made:
    return _update(crud, crud.patch), _changing(crud, crud.patch), f"Change what is sent of a {_title(crud)}."


def _changing(crud: Crud, schema: Any) -> list[Parameter]:
    return [*_exchange(), _parameter("data", schema), *_path(crud)]


def _update(_crud: Crud, _schema: Any) -> Callable[..., Any]:
    def work(store: Store, request: Request, response: Response, data: Any, **key: Any) -> Any:
        return _shown(store.update(_key(key), data, request.headers), response)

    return work


def _delete(crud: Crud) -> _Made:
    def work(store: Store, request: Request, **key: Any) -> None:
        store.delete(_key(key), request.headers)

    return work, [_parameter("request", Request), *_path(crud)], f"Delete a {_title(crud)}."


def _bulk_create(crud: Crud) -> _Made:
    def work(store: Store, data: list[Any]) -> Any:
        return store.create_all(data)

    return work, [_parameter("data", _many(crud, crud.write))], f"Add several {_titles(crud)}, all or none."


def _bulk_update(crud: Crud) -> _Made:
    change: Any = Change

    def work(store: Store, data: list[Any]) -> Any:
        return store.update_all([(one.key, one.values) for one in data])

    parameter = _parameter("data", _many(crud, change[_key_type(crud), crud.patch]))
    return work, [parameter], f"Change several {_titles(crud)}, all or none."


def _bulk_delete(crud: Crud) -> _Made:
    def work(store: Store, keys: list[Any]) -> None:
        store.delete_all(keys)

    from_body = _many(crud, _key_type(crud))
    return work, [_parameter("keys", from_body)], f"Delete several {_titles(crud)}, all or none."


def _many(crud: Crud, item: Any) -> Any:
    return _annotated[list.__class_getitem__(item), Field(min_length=1, max_length=crud.bulk)]


def _key_type(crud: Crud) -> Any:
    return field_type(value_field(crud.model._meta.pk)).annotation


def _exchange() -> list[Parameter]:
    return [_parameter("request", Request), _parameter("response", Response)]


def _parts(key: Any) -> Sequence[Any]:
    return key if _is_composite(key) else (key,)


def _is_composite(key: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(key, tuple)


def _shown(shown: Shown, response: Response) -> Any:
    if shown.etag is not None:
        response.headers["ETag"] = shown.etag
    return shown.content


_MAKERS: Final[dict[Operation, Callable[[Crud], _Made]]] = {
    "list": _list,
    "retrieve": _retrieve,
    "create": _create,
    "put": _put,
    "patch": _patch,
    "delete": _delete,
    "bulk_create": _bulk_create,
    "bulk_update": _bulk_update,
    "bulk_delete": _bulk_delete,
}
