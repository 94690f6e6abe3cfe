"""Keys and instances that stand for those of rows: when a statement is compiled, and for the routers."""

from typing import Any, Final
from uuid import UUID

from django.db.models import DEFERRED, Model

from .introspection import value_field
from .layouts import Child, NoRowsError

FIRST_KEY: Final = 15_000


def example_keys(child: Child, count: int) -> list[Any]:
    """Return so many keys of the right type, unlike those of real rows and other parameters."""
    field: Any = value_field(child.model._meta.get_field(child.attname))
    numbers = range(FIRST_KEY, FIRST_KEY + count)
    example = field.to_python(FIRST_KEY) if field.get_internal_type() != "UUIDField" else UUID(int=FIRST_KEY)
    if type(example) is int:
        return list(numbers)
    if type(example) is str:
        return [f"\x01{number}" for number in numbers]
    if type(example) is UUID:
        return [UUID(int=number) for number in numbers]
    raise NoRowsError("a relation has a key of an unusual type", is_lasting=True)


def stubs(child: Child, examples: list[Any], using: str) -> list[Model]:
    """Return instances that have nothing but the key."""
    attnames = dict.fromkeys([child.attname, child.model._meta.pk.attname])
    return [child.model.from_db(using, list(attnames), [one] * len(attnames)) for one in examples]


def first_instance(child: Child, key: Any, using: str) -> Model:
    """Return the first object as routers know it; one that asks for more than the key needs instances."""
    field: Any = value_field(child.model._meta.get_field(child.attname))
    loaded = {} if key is DEFERRED else {child.attname: field.to_python(key)}
    instance = child.model.from_db(using, list(loaded), list(loaded.values()))
    vars(instance)["refresh_from_db"] = _refuse_to_refresh
    return instance


def _refuse_to_refresh(*_args: Any, **_options: Any) -> None:
    raise NoRowsError("a router reads more of an instance than its key")
