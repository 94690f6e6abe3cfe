"""A system check: which schemas show secrets that nobody has named."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Warning as CheckWarning

from .definitions import Definition, is_secret


def check_secrets(**_: Any) -> list[CheckMessage]:
    """Return the schemas whose `fields = "__all__"` or `exclude` brings in a password or its like."""
    return [
        CheckWarning(
            f"`{schema.__module__}.{schema.__name__}` takes `{schema.__orm_options__.model.__name__}.{name}` from its "
            "model without having named it.",
            hint="List the fields in `Meta.fields`, with this one if it is meant; or name it in `Meta.exclude`.",
            obj=schema,
            id="django_fastapi.W010",
        )
        for schema in _below(Definition)
        if schema.__orm_options__ is not None and schema.__orm_options__.is_open
        for name in schema.__orm_sources__.values()
        if is_secret(name)
    ]


def _below(schema: type[Definition]) -> Iterator[type[Definition]]:
    for one in schema.__subclasses__():
        yield one
        yield from _below(one)
