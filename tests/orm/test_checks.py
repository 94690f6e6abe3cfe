import gc
from collections.abc import Iterator

import pytest
from django.core.checks import run_checks

from django_fastapi.orm import ModelSchema
from django_fastapi.orm.checks import check_secrets
from tests.project.library.models import Author


@pytest.fixture(autouse=True)
def no_schemas_of_other_tests() -> Iterator[None]:
    gc.collect()
    yield
    gc.collect()


def found(name: str) -> list[str]:
    return [message.msg for message in check_secrets() if f".{name}`" in message.msg]


def test_a_secret_that_nobody_named_is_found() -> None:
    class EverySecret(ModelSchema):
        class Meta:
            model = Author
            fields = "__all__"

    class ButTheName(ModelSchema):
        class Meta:
            model = Author
            exclude = ["name"]

    class Meant(ModelSchema):
        class Meta:
            model = Author
            fields = ["password"]

    class WithoutIt(ModelSchema):
        class Meta:
            model = Author
            exclude = ["password"]

    assert found("EverySecret") == [
        "`tests.orm.test_checks.EverySecret` takes `Author.password` from its model without having named it."
    ]
    assert found("ButTheName")
    assert not found("Meant")
    assert not found("WithoutIt")
    assert any(message.id == "django_fastapi.W010" for message in run_checks(databases=[]))
