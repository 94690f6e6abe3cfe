from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.apps import apps
from django.core.checks import CheckMessage, run_checks
from fastapi import Depends, FastAPI
from pytest_django import Settings

from django_fastapi.auth import (
    CurrentUser,
    auth_router,
    model_permission_required,
    permission_required,
    public,
    staff_required,
)
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.registry import APIRegistry


def found(*ids: str) -> Iterator[CheckMessage]:
    return (message for message in run_checks(databases=[]) if str(message.id).removeprefix("django_fastapi.") in ids)


def test_what_is_open_is_listed_where_a_user_is_required(
    registry: APIRegistry, api: FastAPI, settings: Settings
) -> None:
    @api.get("/closed")
    def closed() -> None: ...

    @api.api_route("/open", methods=["GET", "PUT"], dependencies=[Depends(public)])
    def is_open() -> None: ...

    second = FastAPI(openapi_url=None)

    @second.websocket("/socket", dependencies=[Depends(public)])
    async def socket() -> None: ...

    second.mount("/files", lambda *_: None)
    registry.register(second, name="second", prefix="/second")
    assert list(found("I021")) == []
    settings.FASTAPI_AUTH = {"REQUIRED": True}
    [message] = found("I021")
    assert "GET PUT /open" in message.msg
    assert "/second/socket" in message.msg
    assert "/second/files" in message.msg
    assert "/closed" not in message.msg
    assert "/docs" not in message.msg


def test_a_permission_that_no_model_has_is_found_with_the_cure(api: FastAPI) -> None:
    wrong = permission_required("auth.delete_grup") & ~permission_required("auth.add_group")

    @api.get("/things", dependencies=[Depends(staff_required | wrong), Depends(permission_required("nowhere.x"))])
    def things() -> None: ...

    by_name = {message.msg: message.hint for message in found("W022")}
    assert by_name == {
        "/things requires the permission 'auth.delete_grup', which no model declares: only superusers have it.": (
            "Did you mean 'auth.delete_group'?"
        ),
        "/things requires the permission 'nowhere.x', which no model declares: only superusers have it.": (
            "Name one of a model's permissions."
        ),
    }


def test_permissions_that_models_have_are_fine(api: FastAPI) -> None:
    from django.contrib.auth.models import Group  # noqa: PLC0415 (Django is not set up before)

    @api.get("/", dependencies=[Depends(permission_required("auth.view_user") & model_permission_required(Group))])
    def endpoint() -> None: ...

    assert list(found("W022", "E023")) == []


def test_sessions_that_are_not_there_are_found(api: FastAPI, settings: Settings) -> None:
    settings.MIDDLEWARE = []
    assert list(found("E023")) == []

    @api.get("/me")
    def me(user: CurrentUser) -> int:
        return user.pk

    [message] = found("E023")
    assert "SessionMiddleware" in str(message.hint)


@pytest.mark.parametrize("value", [{"SCHEMES": ["nowhere"]}, {"REQUIRED": 3}])
def test_wrong_settings_are_told_once(api: FastAPI, settings: Settings, value: object) -> None:
    assert api.title
    settings.FASTAPI_AUTH = value
    assert len(list(found("E020", "W022", "I021"))) == 1


@pytest.mark.usefixtures("api")
def test_a_project_without_tokens_needs_no_table_for_them(settings: Settings) -> None:
    settings.FASTAPI_AUTH = {}
    with isolate_from("django_fastapi.auth"):
        assert list(found("E022")) == []
        with pytest.raises(ConfigurationError, match="needs a table"):
            auth_router(jwt=True)
        settings.FASTAPI_AUTH = {"JWT": {}}
        assert len(list(found("E022"))) == 1


@contextmanager
def isolate_from(app: str) -> Iterator[None]:
    """Leave an app out of the installed ones."""
    configs = apps.app_configs
    apps.app_configs = {label: config for label, config in configs.items() if config.name != app}
    try:
        yield
    finally:
        apps.app_configs = configs
