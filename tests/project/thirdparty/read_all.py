"""Build a schema for every model of every installed app, and read a real row through each.

It is a program of its own, since the apps need settings of their own; `tests/orm/test_third_party.py` runs it.
"""

import datetime as dt
import itertools
import os
import uuid
from decimal import Decimal
from typing import Any

import django
from django.apps import apps
from django.core.management import call_command
from django.db import models, transaction

COUNTER = itertools.count(1)


def value_of(field: Any) -> Any:
    """Return a value that the field takes."""
    if field.has_default():
        return field.get_default()
    if field.is_relation:
        return None if field.null else make(field.related_model).pk
    if field.choices:
        return next(value for value, _label in field.flatchoices or field.choices if value not in (None, ""))
    number = next(COUNTER)
    kind = field.get_internal_type()
    known: dict[str, Any] = {
        "BooleanField": True,
        "DateField": dt.date(2020, 1, 2),
        "DateTimeField": dt.datetime(2020, 1, 2, tzinfo=dt.UTC),
        "DecimalField": Decimal(1),
        "DurationField": dt.timedelta(1),
        "FileField": "a.txt",
        "FloatField": 1.5,
        "GenericIPAddressField": "127.0.0.1",
        "JSONField": {"a": 1},
        "TimeField": dt.time(1),
        "UUIDField": uuid.uuid4(),
        "BinaryField": b"\xff",
    }
    if kind in known:
        return known[kind]
    return number if "Integer" in kind else f"{number}"[: field.max_length or 20]


def make(model: type[models.Model]) -> models.Model:
    """Return a row of the model, made past what the package's own managers and `save` would do."""
    existing = model._base_manager.first()
    if existing is not None:
        return existing
    row = model(**{field.attname: value_of(field) for field in model._meta.concrete_fields if is_given(field)})
    for parent, link in model._meta.parents.items():
        if link is not None:
            setattr(row, link.name, make(parent))
            for field in parent._meta.concrete_fields:
                setattr(row, field.attname, getattr(getattr(row, link.name), field.attname))
    row.save_base(raw=True)
    return row


def is_given(field: Any) -> bool:
    """Return whether a new row needs a value for the field."""
    return not (
        isinstance(field, models.AutoField)
        or field.generated
        or (field.remote_field and field.remote_field.parent_link)
    )


def read(model: type[models.Model]) -> str:
    """Read a row through a schema of all fields, both ways, and return how."""
    from pydantic import TypeAdapter  # noqa: PLC0415 (after `django.setup()`)

    from django_fastapi.orm import create_schema, plan_query  # noqa: PLC0415
    from django_fastapi.orm.responses import write_rows  # noqa: PLC0415

    schema = create_schema(model, fields="__all__")
    schema.model_json_schema()
    schema.model_json_schema(mode="serialization")
    with transaction.atomic():
        make(model)
    queryset = model._base_manager.all()
    annotation = list[schema]  # type: ignore[valid-type]
    by_instances = TypeAdapter(annotation).dump_json(schema.from_queryset(queryset), by_alias=True)
    by_rows = write_rows(queryset, annotation, {"by_alias": True})
    assert by_rows is None or by_rows == by_instances, (by_rows, by_instances)
    assert by_instances != b"[]"
    return "rows" if by_rows is not None else plan_query(schema).explain().splitlines()[1]


def attempt(model: type[models.Model]) -> str:
    """Read a row of the model, and return how, or why not."""
    try:
        return read(model)
    except Exception as error:  # noqa: BLE001 (the test shows all that fail, not the first)
        return f"FAILED {type(error).__name__}: {error}"


def main() -> None:
    """Read every model, and say how many by rows."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.thirdparty.settings")
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    found = {one._meta.label: attempt(one) for one in apps.get_models(include_auto_created=True) if one._meta.managed}
    for label, way in sorted(found.items()):
        print(f"{label}: {way}")  # noqa: T201 (the test reads it)


if __name__ == "__main__":
    main()
