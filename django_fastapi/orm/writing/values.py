"""Values of a schema as a model's fields take them."""

from typing import Any, Final, TypeGuard, cast

from django.db.models import JSONField

from django_fastapi.exceptions import UnfitValue
from django_fastapi.lookups import fit
from django_fastapi.orm.fields import Range
from django_fastapi.orm.introspection import is_of_django

_MAX_LEVELS: Final = 200
"""How deep JSON is: as deep as it can be read and sent again."""


def stored(field: Any, value: Any, using: str) -> Any:
    """Return a validated value as an instance of the model has it.

    Args:
        field: The field of the model.
        value: The value in the schema.
        using: The alias of the database: integers have ranges of its own.

    Raises:
        UnfitValue: The column cannot hold it.
    """
    if value is None:
        return value
    if isinstance(field, JSONField):
        return _stored_json(value)
    if _is_range(value):
        return _stored_range(field, value, using)
    if isinstance(value, str) and is_of_django(field):
        return value
    return fit(field, value, using, canonical=False)


def _stored_json(value: Any) -> Any:
    level = [value]
    for _ in range(_MAX_LEVELS + 1):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return value
    raise UnfitValue(f"must have at most {_MAX_LEVELS} levels")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value).values())
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else []


def _is_range(value: object) -> TypeGuard[Range[Any]]:
    return isinstance(value, Range)


def _stored_range(field: Any, value: Range[Any], using: str) -> Any:
    if value.bounds == "empty":
        return field.range_type(empty=True)
    lower, upper = (stored(field.base_field, bound, using) for bound in (value.lower, value.upper))
    try:
        return field.range_type(lower, upper, value.bounds)
    except ValueError:
        raise UnfitValue("must have bounds such as '[)', or 'empty'") from None
