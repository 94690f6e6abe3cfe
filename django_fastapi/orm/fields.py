"""From Django's fields to Python types: what a value is in Python, and what has to be done to a database's value."""

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, ClassVar, Final, Generic, Protocol, TypeVar, cast, get_args, get_origin

from django.apps import apps
from pydantic import BaseModel, ConfigDict, Field as PydanticField

from .exceptions import SchemaError
from .introspection import AnyField, is_of_django, value_field
from .limits import Base64, Choices, Limits

T = TypeVar("T")
Convert = Callable[[Any], Any]

_annotated: Final[Any] = Annotated
_DECIMAL: Final = _annotated[Decimal, PydanticField(allow_inf_nan=True)]


class Range(BaseModel, Generic[T]):
    """A range of PostgreSQL.

    Attributes:
        lower: Where it begins; None if it is open there.
        upper: Where it ends; None if it is open there.
        bounds: Which ends belong to it, as PostgreSQL writes it; "empty" for the empty range.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(title="Range")

    lower: T | None = None
    upper: T | None = None
    bounds: str = "[)"


@dataclass(frozen=True, slots=True)
class FieldType:
    """What a Django field is in a schema.

    Args:
        annotation: The Python type of a value that is not null, as it is read.
        json_format: The `format` of JSON schema.
        convert: What makes that type of an instance's value; None if it is that already. It is not given None.
        is_nullable: Whether there may be None where the field's `null` does not say so.
        is_read_only: Whether only the database or Django makes the values.
    """

    annotation: Any
    json_format: str | None = None
    convert: Convert | None = None
    is_nullable: bool = False
    is_read_only: bool = False


Mapping = FieldType | Callable[[AnyField], FieldType]


def _file(field: AnyField) -> FieldType:
    # A field file knows its URL; a row gives the bare name, of which the field's storage makes it.
    storage: Any = cast("Any", field).storage

    def url(value: Any) -> str | None:
        name = value if isinstance(value, str) else value.name
        return storage.url(name) if name else None

    return FieldType(str, "uri-reference", url, is_nullable=True, is_read_only=True)


def _json(_field: AnyField) -> FieldType:
    return FieldType(Any)


def _generated(field: AnyField) -> FieldType:
    return replace(field_type(cast("Any", field).output_field), is_nullable=True, is_read_only=True)


def _composite(field: AnyField) -> FieldType:
    parts = [field_type(value_field(part)) for part in cast("Any", field).fields]
    return FieldType(tuple.__class_getitem__(tuple(part.annotation for part in parts)), is_read_only=True)


def _array(field: AnyField) -> FieldType:
    item_field: AnyField = cast("Any", field).base_field
    item = field_type(item_field)
    annotation: Any = list.__class_getitem__(item.annotation | None)
    convert = item.convert
    if convert is None:
        return FieldType(annotation)
    return FieldType(annotation, convert=lambda items: [None if one is None else convert(one) for one in items])


def _range(field: AnyField) -> FieldType:
    bound: AnyField = cast("Any", field).base_field
    make: Any = Range
    return FieldType(make[field_type(bound).annotation], convert=_range_parts)


def _range_parts(value: Any) -> dict[str, Any]:
    if value.isempty:
        return {"lower": None, "upper": None, "bounds": "empty"}
    return {"lower": value.lower, "upper": value.upper, "bounds": value.bounds}


_BUILT_IN: Final[dict[str, Mapping]] = {
    "django.db.models.fields.AutoField": FieldType(int, is_read_only=True),
    "django.db.models.fields.BigAutoField": FieldType(int, is_read_only=True),
    "django.db.models.fields.SmallAutoField": FieldType(int, is_read_only=True),
    "django.db.models.fields.BinaryField": FieldType(_annotated[bytes, Base64()], convert=bytes),
    "django.db.models.fields.BooleanField": FieldType(bool),
    "django.db.models.fields.CharField": FieldType(str),
    "django.db.models.fields.DateField": FieldType(dt.date),
    "django.db.models.fields.DateTimeField": FieldType(dt.datetime),
    "django.db.models.fields.DecimalField": FieldType(_DECIMAL),
    "django.db.models.fields.DurationField": FieldType(dt.timedelta),
    "django.db.models.fields.EmailField": FieldType(str, "email"),
    "django.db.models.fields.FilePathField": FieldType(str),
    "django.db.models.fields.FloatField": FieldType(float),
    "django.db.models.fields.GenericIPAddressField": FieldType(str, "ipvanyaddress"),
    "django.db.models.fields.IPAddressField": FieldType(str, "ipv4"),
    "django.db.models.fields.IntegerField": FieldType(int),
    "django.db.models.fields.TextField": FieldType(str),
    "django.db.models.fields.TimeField": FieldType(dt.time),
    "django.db.models.fields.URLField": FieldType(str, "uri"),
    "django.db.models.fields.UUIDField": FieldType(uuid.UUID),
    "django.db.models.fields.composite.CompositePrimaryKey": _composite,
    "django.db.models.fields.files.FileField": _file,
    "django.db.models.fields.generated.GeneratedField": _generated,
    "django.db.models.fields.json.JSONField": _json,
    "django.db.models.fields.proxy.OrderWrt": FieldType(int, is_read_only=True),
    "django.contrib.postgres.fields.array.ArrayField": _array,
    "django.contrib.postgres.fields.hstore.HStoreField": FieldType(dict[str, str | None]),
    "django.contrib.postgres.fields.ranges.RangeField": _range,
    "django.contrib.postgres.search.SearchVectorField": FieldType(str, is_read_only=True),
}
"""By the path of the class, since `django.contrib.postgres` cannot be imported without psycopg."""

_INTERNAL_TYPES: Final = {path.rpartition(".")[2]: path for path in _BUILT_IN}


class FieldTypes:
    """The mapping of a project: Django's fields and those that were registered."""

    def __init__(self) -> None:
        self._mappings: dict[str, Mapping] = dict(_BUILT_IN)

    def register(self, field_class: type[AnyField], mapping: Mapping) -> None:
        """Map a class of fields, and those derived from it."""
        self._mappings[_path(field_class)] = mapping

    def find(self, field: AnyField) -> FieldType | None:
        """Return the type of a field by its class, the classes above it, or its internal type."""
        internal = _INTERNAL_TYPES.get(field.get_internal_type(), "")
        for path in [*map(_path, type(field).__mro__), internal]:
            if (mapping := self._mappings.get(path)) is not None:
                return mapping if isinstance(mapping, FieldType) else mapping(field)
        return None


class _OwnsFieldTypes(Protocol):
    field_types: FieldTypes


def _path(field_class: type[Any]) -> str:
    return f"{field_class.__module__}.{field_class.__qualname__}"


def _registry() -> FieldTypes:
    return cast("_OwnsFieldTypes", apps.get_app_config("django_fastapi")).field_types


def register_field(field_class: type[AnyField], annotation: Any, *, convert: Convert | None = None) -> None:
    """Tell what a custom field is in a schema; to be called before schemas are defined, in `AppConfig.ready` say.

    Args:
        field_class: The class of the field; classes derived from it are meant as well.
        annotation: The Python type of its values in a schema, such as `str` or `Annotated[int, Field(ge=0)]`.
        convert: What makes that type of the value an instance has. It is not given None.
    """
    _registry().register(field_class, FieldType(annotation, convert=convert))


def field_type(field: AnyField) -> FieldType:
    """Return what a column is in a schema.

    Raises:
        SchemaError: Nothing is known of the class of the field.
    """
    found = _registry().find(field)
    if found is None:
        raise SchemaError(
            f"`{field}` is a `{type(field).__name__}`, which has no type in a schema: tell it with "
            f"`register_field({type(field).__name__}, str)`, or leave the field out."
        )
    plain = _class_of(found.annotation)
    if found.convert is None and plain is not None and not is_of_django(field):
        return replace(found, convert=partial(_plain, field, plain))
    return found


def _class_of(annotation: Any) -> type | None:
    """Return the class of a plain type; `Any`, which is a class of its own since Python 3.11, is none."""
    found = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    return found if found is not Any and isinstance(found, type) and not get_args(found) else None


def _plain(field: AnyField, plain: type, value: Any) -> Any:
    """Return the plain value of a custom field's, which may be an object of a class of its own."""
    if isinstance(value, plain):
        return value
    prepared = field.get_prep_value(value)
    if isinstance(prepared, plain) or prepared is None:
        return prepared
    if plain is str:
        return str(prepared)
    raise SchemaError(
        f"`{field}` gives a `{type(value).__name__}`, not a `{plain.__name__}`: tell what to make of it with "
        f"`register_field({type(field).__name__}, {plain.__name__}, convert=...)`."
    )


def input_annotation(field: AnyField, found: FieldType, enum_name: str) -> Any:
    """Return the type of a column with what binds its input."""
    annotation = found.annotation
    if found.is_read_only:
        return _annotated[annotation, Limits(field, found.json_format)] if found.json_format else annotation
    if field.choices is not None and not hasattr(field, "base_field"):
        return _annotated[annotation, Choices(field, enum_name)]
    return _annotated[annotation, Limits(field, found.json_format)]
