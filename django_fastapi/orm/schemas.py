"""`ModelSchema`: a Pydantic model that comes from a Django model and reads its objects."""

from typing import TYPE_CHECKING, Any, Self, TypeVar

from asgiref.sync import sync_to_async
from django.db.models import Manager, Model, QuerySet
from pydantic import ModelWrapValidatorHandler, model_validator
from pydantic_core import PydanticCustomError

from .definitions import Definition, define, options_of
from .instances import read_instances, read_queryset
from .planning import plan_query
from .writing import Item, Scopes, write

if TYPE_CHECKING:
    from django.db.models.query import RawQuerySet

M = TypeVar("M", bound=Model)


class ModelSchema(Definition):
    """A Pydantic model whose fields come from a Django model.

    ::

        class BookOut(ModelSchema):
            author: AuthorOut
            tags: list[TagOut]

            class Meta:
                model = Book
                fields = ["id", "title", "price"]

    `class Meta` knows `model`, `fields` or `exclude` (`"__all__"` has to be said), `optional`, `read_only` and `depth`.
    What the class declares itself goes before what comes from the model. A field of the model whose name is taken, or
    begins with `_`, becomes `name_` with the alias `name`. Limits of the model bind input; what the database holds is
    read without them.
    """

    @classmethod
    def from_orm(cls, obj: Any) -> Self:
        """Return an instance of the model as an object of this schema; what it has not loaded is loaded.

        Raises:
            UnplannedAccess: That would ask the database on the event loop: await `from_orm_async` there.
        """
        return read_instances(cls, [obj])[0]

    @classmethod
    async def from_orm_async(cls, obj: Any) -> Self:
        """Return an instance of the model as an object of this schema; from async code."""
        return await sync_to_async(cls.from_orm)(obj)

    @classmethod
    def from_queryset(cls, queryset: "QuerySet[Any, Any] | RawQuerySet[Any] | Manager[Any]") -> list[Self]:
        """Return what a queryset gives, as objects of this schema, in as few queries as the schema has lists."""
        return read_queryset(cls, queryset)

    @classmethod
    async def from_queryset_async(cls, queryset: "QuerySet[Any, Any] | RawQuerySet[Any] | Manager[Any]") -> list[Self]:
        """Return what a queryset gives, as objects of this schema; from async code."""
        return await sync_to_async(cls.from_queryset)(queryset)

    def create(self, scopes: "Scopes | None" = None, /, **extra: Any) -> Any:
        """Save a new object with the values of this body, and return it.

        ::

            @api.post("/books", status_code=201)
            def add(data: BookIn, user: CurrentUser) -> BookOut:
                return data.create(created_by=user)

        Everything is checked before anything is saved, in one transaction: what is named by key exists, and
        `full_clean` passes. Related objects that are nested are saved with it.

        Args:
            scopes: By model, the queryset of what the client may name of it; of other models, what the default manager
                has. Anything else does not exist for this request.
            **extra: What the server adds, by fields of the model; it goes before what the body says.

        Raises:
            InvalidInput: Something is wrong with the body; answered with 422 and everything that is.
            Conflict: Nothing is wrong but that something of the kind exists; answered with 409.
            SchemaError: The schema lacks a field that the model needs.
        """
        return write([Item(self)], extra, scopes or {})[0]

    async def acreate(self, scopes: "Scopes | None" = None, /, **extra: Any) -> Any:
        """Save a new object; see `create`."""
        return await sync_to_async(self.create)(scopes, **extra)

    def update(self, instance: M, scopes: "Scopes | None" = None, /, **extra: Any) -> M:
        """Save the values of this body to an object, and return it.

        Of a schema with `partial=True` the values are saved that the body has; of another one all of them, or what
        stands for them. Columns that are not written are neither checked nor saved.

        Args:
            instance: The object. If nothing comes of it, it is as it was.
            scopes: By model, the queryset of what the client may name of it.
            **extra: What the server adds, by fields of the model.

        Raises:
            InvalidInput: Something is wrong with the body; answered with 422 and everything that is.
            Conflict: Nothing is wrong but that something of the kind exists; answered with 409.
            Http404: The object is gone.
        """
        updated: M = write([Item(self, instance)], extra, scopes or {})[0]
        return updated

    async def aupdate(self, instance: M, scopes: "Scopes | None" = None, /, **extra: Any) -> M:
        """Save the values of this body to an object; see `update`."""
        return await sync_to_async(self.update)(instance, scopes, **extra)

    @classmethod
    def __pydantic_on_complete__(cls) -> None:
        """Find what does not fit the model when the schema is defined, not when it is used."""
        super().__pydantic_on_complete__()
        if cls.__orm_options__ is not None and not cls.__pydantic_generic_metadata__["parameters"]:
            plan_query(cls)

    @model_validator(mode="wrap")
    @classmethod
    def _accept_instance(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Let instances of the model be read as `from_orm` reads them, wherever Pydantic meets them."""
        if not isinstance(value, Model):
            return handler(value)
        if cls.__orm_options__ is None or not isinstance(value, options_of(cls).model):
            kind = type(value).__name__
            raise PydanticCustomError("model", "This is no instance of the schema's model, but {kind}", {"kind": kind})
        return cls.from_orm(value)


def create_schema(
    model: type[Model],
    *,
    name: str | None = None,
    base: type[ModelSchema] = ModelSchema,
    declared: dict[str, Any] | None = None,
    **meta: Any,
) -> type[ModelSchema]:
    """Return a new schema, made at run time.

    Args:
        model: The Django model.
        name: The name of the class, which OpenAPI shows; that of the model with "Schema" if None.
        base: What it is derived from.
        declared: Annotations on top, as the body of the class would have them.
        **meta: What `class Meta` would say: `fields` or `exclude`, `optional`, `read_only`, `depth`.

    Raises:
        SchemaError: The schema does not fit the model.
    """
    schema: type[ModelSchema] = define(
        model, name=name or f"{model.__name__}Schema", base=base, declared=declared, **meta
    )
    return schema
