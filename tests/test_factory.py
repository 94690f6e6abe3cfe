from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from django.db import connections
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient
from pytest_django import Settings

from django_fastapi.exceptions import ConfigurationError, LifespanFailed
from django_fastapi.factory import apply_settings, late_applications, make_default_api
from django_fastapi.lifespan import Lifespan, SiteLifespan
from django_fastapi.registry import APIRegistry, register_api
from django_fastapi.routing import atomic_requests

project_api = FastAPI(title="The project's own")
not_an_api = "text"


def test_the_default_application_has_the_title_and_version_of_the_settings(settings: Settings) -> None:
    settings.FASTAPI_TITLE, settings.FASTAPI_VERSION = "Books", "2.0"
    api = make_default_api()
    assert (api.title, api.version, api.root_path) == ("Books", "2.0", "")


def test_the_project_can_name_its_own_application(settings: Settings, registry: APIRegistry) -> None:
    settings.FASTAPI_API = "tests.test_factory.project_api"
    assert registry.get_default() is project_api
    apply_settings(registry)
    assert project_api.title == "The project's own"


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("tests.no_such_module.api", "cannot be imported"),
        ("tests.test_factory.no_such_name", "cannot be imported"),
        ("tests.test_factory.not_an_api", "is not a FastAPI application but 'text'"),
    ],
)
def test_an_application_that_cannot_be_had_is_named(settings: Settings, path: str, complaint: str) -> None:
    settings.FASTAPI_API = path
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        make_default_api()
    assert repr(path) in str(caught.value)


def test_settings_that_shape_the_application_are_applied_anew(settings: Settings, registry: APIRegistry) -> None:
    api = registry.get_default()
    apply_settings(registry)
    assert api.openapi()["info"]["title"] == "Atlas API"
    settings.FASTAPI_TITLE, settings.FASTAPI_ROOT_PATH, settings.FASTAPI_DOCS_URL = "New", "/site", "/manual"
    apply_settings(registry)
    assert api.openapi()["info"]["title"] == "New"
    assert (api.root_path, api.docs_url) == ("/site", "/manual")


@pytest.mark.parametrize("name", ["FASTAPI_PROBLEM_DETAILS", "FASTAPI_THREADS"])
def test_a_wrong_setting_is_found_before_the_first_request(
    registry: APIRegistry, settings: Settings, name: str
) -> None:
    setattr(settings, name, "wrong")
    with pytest.raises(ConfigurationError, match=name):
        apply_settings(registry)


@pytest.mark.parametrize("is_included", [False, True])
def test_a_mounted_application_follows_atomic_requests_too(
    registry: APIRegistry, monkeypatch: pytest.MonkeyPatch, *, is_included: bool
) -> None:
    monkeypatch.setitem(connections.settings["default"], name="ATOMIC_REQUESTS", value=True)
    api = registry.get_default()
    router = APIRouter()
    (router if is_included else api).mount("/sub", FastAPI(dependencies=[atomic_requests()]))
    api.include_router(router)
    apply_settings(registry)
    router.mount("/other", FastAPI())
    api.include_router(router, prefix="/router")
    with pytest.raises(ConfigurationError, match=r"mounted at '/.*other' does not follow"):
        apply_settings(registry)


@pytest.mark.anyio
async def test_an_application_that_a_lifespan_mounts_follows_the_settings_of_the_site_too(
    registry: APIRegistry, settings: Settings
) -> None:
    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        api.mount("/late", FastAPI())
        yield

    settings.FASTAPI_DOCS_ACCESS = "off"
    api = FastAPI(lifespan=lifespan)
    registry.register(api, "v2", "/v2")
    apply_settings(registry)
    documented: list[FastAPI] = []
    site = SiteLifespan([Lifespan(api), Lifespan(late_applications(registry, documented.append))])
    settings.FASTAPI_DOCS_ACCESS = "public"
    await site.startup()
    async with AsyncClient(transport=ASGITransport(api), base_url="http://testserver") as client:
        answers = [await client.get(f"/late/{page}") for page in ("docs", "redoc", "openapi.json")]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert documented == [api, registry.get_default()]
    with pytest.raises(ConfigurationError, match="'v3'"):
        register_api(FastAPI(), name="v3", prefix="/v3")
    await site.shutdown()
    register_api(FastAPI(), name="v3", prefix="/v3")


@pytest.mark.anyio
async def test_a_site_does_not_start_without_what_its_lifespans_have_added(
    registry: APIRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Lifespan(late_applications(registry, lambda _: None))
    monkeypatch.setitem(connections.settings["default"], name="ATOMIC_REQUESTS", value=True)
    registry.get_default().mount("/late", FastAPI())
    with pytest.raises(LifespanFailed, match="mounted at '/late' does not follow"):
        await site.startup()
    register_api(FastAPI(), name="v2", prefix="/v2")
    with pytest.raises(LifespanFailed, match=r"'v2'.*the site was built before"):
        await site.startup()
