"""What a CRUD router is asked for, checked when it is made."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final, Literal, TypeAlias, TypedDict, TypeGuard, get_args

from django.db.models import CompositePrimaryKey, IntegerField, Model, QuerySet

from django_fastapi.auth import optional_user, permission_required
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.orm import (
    CursorPage,
    CursorParams,
    FilterSchema,
    LimitOffsetPage,
    LimitOffsetParams,
    ModelSchema,
    OrderBy,
    Page,
    PageParams,
)
from django_fastapi.orm.writing import WritePlan, plan_write

Operation: TypeAlias = Literal[
    "list", "retrieve", "create", "put", "patch", "delete", "bulk_create", "bulk_update", "bulk_delete"
]
ForUser: TypeAlias = Callable[[Any], QuerySet[Any]]
Hook: TypeAlias = Callable[[Any, Any], None]

OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
CONTENT: Final = "content"

_WRITING: Final = frozenset({"create", "put", "bulk_create"})
_PATCHING: Final = frozenset({"patch", "bulk_update"})
_BULK: Final = frozenset({"bulk_create", "bulk_update", "bulk_delete"})
_ACTIONS: Final[Mapping[Operation, str]] = {
    "list": "view",
    "retrieve": "view",
    "create": "add",
    "put": "change",
    "patch": "change",
    "delete": "delete",
    "bulk_create": "add",
    "bulk_update": "change",
    "bulk_delete": "delete",
}
_PAGES: Final[Mapping[Any, Any]] = {Page: PageParams, LimitOffsetPage: LimitOffsetParams, CursorPage: CursorParams}


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a project does around a write, in its transaction: an exception leaves everything as it was.

    Each is given the object and the user; None for a request without a user. A new object is one whose
    `instance._state.adding` is true.

    Args:
        before_save: Before the object, with its new values, is validated.
        after_save: After the object and what is related to it are saved.
        before_delete: Before the object is deleted.
        after_delete: After it is deleted; it has no primary key any more.
    """

    before_save: Hook | None = None
    after_save: Hook | None = None
    before_delete: Hook | None = None
    after_delete: Hook | None = None


class CrudOptions(TypedDict, total=False):
    """What `crud_router` takes beside the model and the schema that is read; all of it can be left out."""

    write: type[ModelSchema]
    """The schema of bodies; without it nothing is created or changed."""
    patch: type[ModelSchema]
    """That of PATCH; `write.partial()` if left out."""
    read_list: type[ModelSchema]
    """The schema of an object in a list; that of a single one if left out."""
    operations: Collection[Operation]
    """Which there are; if left out, all for which there is a schema, those in bulk only with `bulk`."""
    permissions: Any
    """A dependency for every operation, or a mapping of operations to one; a list is all of its dependencies, and an
    empty one lets everybody in. What a mapping leaves out, and everything if this is left out, requires Django's
    permission to view, add, change or delete the model."""
    get_queryset: ForUser
    """Returns the objects that a user may see; None stands for a request without a user. All others are 404."""
    related: Mapping[type[Model], ForUser]
    """By model, returns the objects that a user may name in a body; others do not exist for them."""
    user: Callable[..., Any]
    """The dependency that gives the user; `optional_user` of `django_fastapi.auth` if left out."""
    filters: type[FilterSchema]
    """Which parameters filter the list."""
    ordering: Any
    """How the list can be ordered: names, or an `OrderBy`."""
    pagination: Any
    """`Page` (if left out), `LimitOffsetPage`, `CursorPage`, or one of them with its dependency, such as
    `(CursorPage, CursorBy(size=50))`."""
    lookup_field: str
    """The unique field by which the path names an object; the primary key if left out."""
    hooks: Hooks
    """What is to be done around writes."""
    select_for_update: bool
    """Whether an object is locked before it is changed or deleted; it is with an `etag`, too."""
    etag: str
    """What tells versions apart: "content", or the name of a field. A number is counted up with every change."""
    require_match: bool
    """Whether a change has to say with `If-Match` which version it means (428); those in bulk need not."""
    idempotency: bool
    """Whether a POST with an `Idempotency-Key` is done once."""
    bulk: int
    """How many objects one request can write at most; without it there are no operations in bulk."""
    run_async: bool
    """Whether the endpoints are `async def`."""
    prefix: str
    """The path of the list."""
    tags: list[str | Enum]
    """The tags of the operations; the plural name of the model if left out."""
    name: str
    """What the names of the routes begin with, as in `city_list`; the name of the model if left out."""
    responses: dict[int | str, dict[str, Any]]
    """Further answers that dependencies can give, for the OpenAPI document."""


@dataclass(frozen=True, slots=True)
class Crud:
    """The options of a router, complete."""

    model: type[Model]
    read: type[ModelSchema]
    read_list: type[ModelSchema]
    write: type[ModelSchema] | None
    patch: type[ModelSchema] | None
    operations: tuple[Operation, ...]
    permissions: Any
    get_queryset: ForUser | None
    related: Mapping[type[Model], ForUser]
    user: Callable[..., Any]
    filters: type[FilterSchema] | None
    ordering: Any
    page: Any
    page_params: Any
    lookup_field: str
    hooks: Hooks
    is_locking: bool
    etag: str | None
    require_match: bool
    idempotency: bool
    bulk: int
    run_async: bool
    name: str
    responses: dict[int | str, dict[str, Any]]

    @property
    def counts_versions(self) -> bool:
        """Whether the field of the etag is a number that is counted up."""
        return self.etag not in (None, CONTENT) and isinstance(self.model._meta.get_field(str(self.etag)), IntegerField)

    @property
    def needs_user(self) -> bool:
        """Whether what is done depends on the user, whatever guards it."""
        return bool(self.get_queryset or self.related) or self.hooks != Hooks()

    def dependencies_of(self, operation: Operation) -> list[Any]:
        """Return what guards an operation."""
        given = self.permissions
        if _is_mapping(given):
            given = given.get(operation)
        if given is None:
            meta = self.model._meta
            return [permission_required(f"{meta.app_label}.{_ACTIONS[operation]}_{meta.model_name}")]
        return list(given) if _is_sequence(given) else [given]


def configure(model: type[Model], read: type[ModelSchema], options: CrudOptions) -> Crud:
    """Return the options of a router, complete.

    Raises:
        ConfigurationError: Something does not fit; the message names it and the cure.
    """
    _check_names(options)
    write = options.get("write")
    patch = options.get("patch") or (write.partial() if write else None)
    operations = _operations(options, has_write=write is not None, has_patch=patch is not None)
    for schema, needed in ((write, _WRITING), (patch, _PATCHING)):
        if schema is not None and needed & set(operations):
            _check_plan(plan_write(schema, model), options)  # its errors are told now
    page, page_params = _pagination(options.get("pagination", Page))
    etag = options.get("etag")
    _check_model(model, etag, operations)
    ordering = options.get("ordering")
    return Crud(
        model=model,
        read=read,
        read_list=options.get("read_list", read),
        write=write,
        patch=patch,
        operations=operations,
        permissions=options.get("permissions"),
        get_queryset=options.get("get_queryset"),
        related=options.get("related", {}),
        user=options.get("user", optional_user),
        filters=options.get("filters"),
        ordering=OrderBy(*ordering, model=model) if _is_sequence(ordering) else ordering,
        page=page,
        page_params=page_params,
        lookup_field=options.get("lookup_field", "pk"),
        hooks=options.get("hooks", Hooks()),
        is_locking=options.get("select_for_update", False) or etag is not None,
        etag=etag,
        require_match=options.get("require_match", False),
        idempotency=options.get("idempotency", False),
        bulk=options.get("bulk", 0),
        run_async=options.get("run_async", False),
        name=options.get("name", str(model._meta.model_name)),
        responses=options.get("responses", {}),
    )


def _check_names(options: CrudOptions) -> None:
    """See that there is no option of another name, which would change nothing.

    Raises:
        ConfigurationError: There is one.
    """
    known = list(CrudOptions.__annotations__)
    for name in options:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}."
            raise ConfigurationError(f"`crud_router` has no option `{name}`: {hint}")


def _check_model(model: type[Model], etag: str | None, operations: Collection[Operation]) -> None:
    """See that the model has what the options ask of it.

    Raises:
        FieldDoesNotExist: `etag` names no field.
        ConfigurationError: Bulk operations are asked for, and the primary key has several columns.
    """
    if etag not in (None, CONTENT):
        model._meta.get_field(str(etag))
    if isinstance(model._meta.pk, CompositePrimaryKey) and _BULK & set(operations):
        raise ConfigurationError(f"`crud_router({model.__name__})`: `bulk` needs a primary key of one column.")


def _check_plan(plan: WritePlan, options: CrudOptions) -> None:
    """See that no body says which version an object is.

    Raises:
        ConfigurationError: One can.
    """
    etag = options.get("etag")
    if etag not in (None, CONTENT) and etag in {slot.field.name for slot in plan.columns}:
        raise ConfigurationError(
            f"`{plan.schema.__name__}` writes `{etag}`, by which `etag` tells versions: take it out of the schema."
        )


def _operations(options: CrudOptions, *, has_write: bool, has_patch: bool) -> tuple[Operation, ...]:
    possible = [
        one
        for one in OPERATIONS
        if (has_write or one not in _WRITING)
        and (has_patch or one not in _PATCHING)
        and (options.get("bulk") or one not in _BULK)
    ]
    asked = options.get("operations", possible)
    for one in asked:
        if one not in OPERATIONS:
            raise ConfigurationError(f"`operations` names {one!r}; there are {', '.join(OPERATIONS)}.")
        if one not in possible:
            cure = "`bulk=` with the largest number of objects" if one in _BULK else "`write=` with a schema"
            raise ConfigurationError(f"`operations` names {one!r}, which needs {cure}.")
    return tuple(one for one in OPERATIONS if one in asked)


def _pagination(given: Any) -> tuple[Any, Any]:
    page, params = given if _is_sequence(given) else (given, _PAGES.get(given))
    if page not in _PAGES or params is None:
        raise ConfigurationError(
            "`pagination` is `Page`, `LimitOffsetPage` or `CursorPage`, or one of them with its dependency."
        )
    return page, params


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)
