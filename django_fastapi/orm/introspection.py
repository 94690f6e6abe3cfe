"""What a Django model has: columns, relations, and whether its instances are made as Django makes them."""

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from django.db.models import Field, ManyToManyField, Model
from django.db.models.fields.related import ManyToManyRel
from django.db.models.query_utils import DeferredAttribute
from django.db.models.signals import post_init, pre_init

if TYPE_CHECKING:
    AnyField: TypeAlias = Field[Any, Any]
else:
    AnyField = Field  # Django's own cannot be subscripted


class Kind(Enum):
    """How a relation is stored."""

    FORWARD = "a foreign key of this model"
    REVERSE_ONE = "a one-to-one field of the other model"
    MANY = "many objects of the other model"
    GENERIC = "a generic foreign key"


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation as an instance of the model has it.

    Args:
        name: The attribute of an instance.
        kind: How it is stored.
        model: The other model; for a generic foreign key `Model` itself, since it may be any.
        field: Django's field, or its reverse side.
    """

    name: str
    kind: Kind
    model: type[Model]
    field: Any

    @property
    def is_many(self) -> bool:
        """Whether the attribute is a manager."""
        return self.kind is Kind.MANY

    @property
    def is_nullable(self) -> bool:
        """Whether there may be no other object."""
        return self.kind is not Kind.FORWARD or bool(self.field.null)

    @property
    def is_stock(self) -> bool:
        """Whether it is a foreign key or a many-to-many field of Django's own, from either side."""
        forward = self.field if is_own(self.field) else getattr(self.field, "field", None)
        return forward is not None and is_of_django(self.field) and is_of_django(forward)

    @property
    def key_field(self) -> AnyField:
        """The column that names the other object: what a foreign key points to, else the primary key."""
        if self.kind is Kind.FORWARD:
            return value_field(self.field)
        return value_field(self.model._meta.pk)


def value_field(field: Any) -> AnyField:
    """Return the field that gives a column its type: for a foreign key the one it points to, however far."""
    while field.is_relation:
        field = field.target_field
    found: AnyField = field
    return found


@cache
def columns(model: type[Model]) -> dict[str, AnyField]:
    """Return the concrete fields by the names an instance has them under: `author_id` for a foreign key."""
    return {field.attname: field for field in model._meta.concrete_fields}


@cache
def relations(model: type[Model]) -> dict[str, Relation]:
    """Return the relations by the attributes of an instance: `author`, `book_set`."""
    found: dict[str, Relation] = {}
    fields: list[Any] = [*model._meta.get_fields(), *model._meta.private_fields]
    for field in fields:
        if not field.is_relation:
            continue
        name = field.get_accessor_name() if field.auto_created and not field.concrete else field.name
        if name:
            found[name] = Relation(name, _kind(field), field.related_model or Model, field)
    return found


def _kind(field: Any) -> Kind:
    if field.related_model is None:
        return Kind.GENERIC
    if field.many_to_many or field.one_to_many:
        return Kind.MANY
    is_reverse = field.auto_created and not field.concrete
    return Kind.REVERSE_ONE if is_reverse else Kind.FORWARD


def names(model: type[Model]) -> list[str]:
    """Return every name under which an instance has a field."""
    return [*columns(model), *relations(model), "pk"]


def has_attribute(model: type[Model], name: str) -> bool:
    """Return whether instances have this attribute without a queryset's doing: a field, a property, a method."""
    return name in columns(model) or name in relations(model) or hasattr(model, name)


@cache
def foreign_construction(model: type[Model]) -> str | None:
    """Return what of the model's own takes part when a row becomes an instance, if anything does."""
    for name in ("from_db", "__init__", "__new__", "__getattribute__", "__setattr__", "__getattr__"):
        ours, django = getattr(model, name, None), getattr(Model, name, None)
        if getattr(ours, "__func__", ours) is not getattr(django, "__func__", django):
            return f"`{model.__name__}.{name}` is the project's own"
    return None


def has_init_receivers(model: type[Model]) -> bool:
    """Return whether a signal is sent to somebody for each instance."""
    return bool(post_init.has_listeners(model) or pre_init.has_listeners(model))


def is_plain_column(model: type[Model], field: Any) -> bool:
    """Return whether an instance gives the column's value as it came from the database."""
    attribute = _class_attribute(model, field.attname)
    kinds: list[type[Any]] = [type(attribute), getattr(field, "attr_class", DeferredAttribute)]
    if not is_of_django(field) and any("select_format" in vars(kind) for kind in _own_classes(field.__class__)):
        return False
    return isinstance(attribute, DeferredAttribute) and all(kind.__module__.startswith("django.") for kind in kinds)


def _own_classes(kind: type[Any]) -> list[type[Any]]:
    return [one for one in kind.__mro__ if not one.__module__.startswith("django.")]


def _class_attribute(model: type[Model], name: str) -> Any:
    return next((vars(base)[name] for base in model.__mro__ if name in vars(base)), None)


def is_of_django(field: Any) -> bool:
    """Return whether the class of a field comes with Django."""
    return type(field).__module__.startswith("django.")


def is_own(field: Any) -> bool:
    """Return whether the model itself has the field, as a column or as a table of its own, and not another model."""
    # Before Django 6.1 a many-to-many field is concrete as well.
    return isinstance(field, ManyToManyField) or bool(getattr(field, "concrete", False))


def is_many_to_many(relation: Relation) -> bool:
    """Return whether the relation goes over a table of its own, from either side."""
    return bool(relation.field.many_to_many or isinstance(relation.field, ManyToManyRel))


def is_composite(field: Any) -> bool:
    """Return whether the field is a primary key of several columns."""
    return not field.is_relation and field.column is None
