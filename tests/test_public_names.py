import subprocess
import sys

import pytest

import django_fastapi

PUBLIC = [
    "APIRouter",
    "DjangoRequest",
    "api",
    "atomic",
    "atomic_requests",
    "django_request",
    "get_asgi_application",
    "get_default_api",
    "get_wsgi_application",
    "hold_thread",
    "register_api",
    "set_default_api",
    "spawn",
]


def test_the_public_names_are_these_and_all_are_there() -> None:
    assert django_fastapi.__all__ == PUBLIC
    assert all(hasattr(django_fastapi, name) for name in PUBLIC)


def test_a_missing_name_is_an_ordinary_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'apis'"):
        django_fastapi.apis  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import django_fastapi",
        "import django_fastapi; django_fastapi.APIRouter, django_fastapi.register_api",
        "import django_fastapi.shortcuts, django_fastapi.lookups",
        "from django_fastapi.orm import FilterSchema, OrderBy, Page, CursorParams",
        "import django_fastapi.checks, django_fastapi.urls, django_fastapi.dispatch, django_fastapi.gateway",
    ],
)
def test_importing_needs_no_settings_and_loads_no_model(code: str) -> None:
    code += "\nfrom django.conf import settings; assert not settings.configured"
    code += "\nfrom django.apps import apps; assert not any(apps.all_models.values())"
    subprocess.run([sys.executable, "-c", code], check=True, env={})
