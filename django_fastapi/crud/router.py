"""`crud_router`: the usual operations on a model, assembled from what everybody can use."""

from inspect import signature
from typing import Any, Final, Unpack

from django.db.models import Model
from fastapi import APIRouter, Depends
from fastapi.params import Depends as Dependency

from django_fastapi.idempotency import IdempotentRoute, idempotent
from django_fastapi.orm import ModelSchema
from django_fastapi.shortcuts import ObjectOr404

from .endpoints import make_endpoint
from .options import Crud, CrudOptions, Operation, configure

_ERRORS: Final = {"application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}}
_METHODS: Final[dict[Operation, str]] = {
    "list": "GET",
    "retrieve": "GET",
    "create": "POST",
    "put": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "bulk_create": "POST",
    "bulk_update": "PATCH",
    "bulk_delete": "POST",
}
_STATUSES: Final[dict[Operation, int]] = {"create": 201, "delete": 204, "bulk_create": 201, "bulk_delete": 204}
_ON_ONE: Final = frozenset({"retrieve", "put", "patch", "delete"})
_CHANGING: Final = frozenset({"put", "patch", "delete"})
# Their paths have two parts, so that none can be taken for a key.
_BULK: Final = frozenset({"bulk_create", "bulk_update", "bulk_delete"})


def crud_router(model: type[Model], *, read: type[ModelSchema], **options: Unpack[CrudOptions]) -> APIRouter:
    """Return a router with the usual operations on a model.

    ::

        api.include_router(crud_router(City, read=CityOut, write=CityIn, prefix="/cities"))

    There are GET and POST on the list, GET, PUT, PATCH and DELETE on an object, and with `bulk=` POST on `/bulk/create`
    and `/bulk/delete` and PATCH on `/bulk/update`. Without `permissions` each requires Django's permission of the
    model. An object that the user may not see is 404, with the same body as one that does not exist.

    Args:
        model: The model.
        read: The schema of what is answered.
        **options: See `CrudOptions`.

    Raises:
        ConfigurationError: Something does not fit; the message names it and the cure.
        SchemaError: A schema cannot write what it says.
    """
    crud = configure(model, read, options)
    router = APIRouter(
        prefix=options.get("prefix", ""),
        tags=options.get("tags") or [str(model._meta.verbose_name_plural)],
        route_class=IdempotentRoute,
    )
    for operation in crud.operations:
        _add(router, crud, operation)
    return router


def _add(router: APIRouter, crud: Crud, operation: Operation) -> None:
    method = _METHODS[operation]
    guards = [one if isinstance(one, Dependency) else Depends(one) for one in crud.dependencies_of(operation)]
    is_once = crud.idempotency and method == "POST"
    router.add_api_route(
        _path(crud, operation),
        make_endpoint(crud, operation),
        methods=[method],
        name=f"{crud.name}_{operation}",
        status_code=_STATUSES.get(operation, 200),
        response_model=_response_model(crud, operation, is_bulk=operation in _BULK),
        dependencies=[*guards, idempotent(by=crud.user if guards or crud.needs_user else None)] if is_once else guards,
        responses={**_responses(crud, operation, is_guarded=bool(guards), is_once=is_once), **crud.responses},
    )


def _path(crud: Crud, operation: Operation) -> str:
    if operation in _ON_ONE:
        names = signature(ObjectOr404(crud.model, lookup=crud.lookup_field)).parameters
        return "".join(f"/{{{name}}}" for name in names)
    return operation.replace("bulk_", "/bulk/") if operation in _BULK else ""


def _response_model(crud: Crud, operation: Operation, *, is_bulk: bool) -> Any:
    if operation in ("delete", "bulk_delete"):
        return None
    if operation == "list":
        return crud.page[crud.read_list]
    read: Any = crud.read
    return list.__class_getitem__(read) if is_bulk else read


def _responses(crud: Crud, operation: Operation, *, is_guarded: bool, is_once: bool) -> dict[int | str, dict[str, Any]]:
    """Return what else than success an operation can answer; 422 is FastAPI's to tell."""
    found: dict[int | str, dict[str, Any]] = {}
    if is_guarded:
        found[401] = {"description": "There is no user."}
        found[403] = {"description": "The user may not do this."}
    if operation in _ON_ONE:
        found[404] = {"description": "There is no such object."}
    if operation not in ("list", "retrieve", "delete"):
        found[400] = {"description": "The body cannot be read."}
        found[413] = {"description": "The body is too long."}
    if _METHODS[operation] != "GET":
        found[409] = {"description": "It clashes with what is there already.", "content": _ERRORS}
    if is_once:
        found[409] = {"description": "It clashes with what is there, or the same request is being worked on."}
    if crud.etag is None:
        return found
    if operation == "retrieve":
        found[304] = {"description": "The client has this version."}
    if operation in _CHANGING:
        found[412] = {"description": "It is another version."}
        if crud.require_match:
            found[428] = {"description": "The request does not say which version it means."}
    return found
