import pytest
from fastapi import FastAPI
from pytest_django import Settings
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.factory import apply_settings, make_default_api, with_cors
from django_fastapi.registry import APIRegistry

from .conftest import fetch

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


async def answer(scope: dict[str, str], receive: object, send: object) -> None:
    if scope["path"] == "/broken":
        raise RuntimeError
    await PlainTextResponse("answer")(scope, receive, send)  # type: ignore[arg-type]


ORIGIN = {"Origin": "https://one.test", "Cookie": "sessionid=x"}


def test_without_the_setting_there_is_no_cors() -> None:
    assert with_cors(answer) is answer  # type: ignore[arg-type, comparison-overlap]


def test_the_wildcard_never_allows_credentials_and_never_returns_the_origin(settings: Settings) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    app = with_cors(answer)  # type: ignore[arg-type]
    preflight = {**ORIGIN, "Access-Control-Request-Method": "POST"}
    for response in (fetch(app, "/", headers=ORIGIN), fetch(app, "/", "OPTIONS", headers=preflight)):
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers


def test_named_origins_may_have_credentials_and_others_nothing(settings: Settings) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    settings.FASTAPI_CORS_ALLOW_ORIGINS = ["https://one.test"]
    app = with_cors(answer)  # type: ignore[arg-type]
    allowed = fetch(app, "/", headers=ORIGIN)
    assert allowed.headers["access-control-allow-origin"] == "https://one.test"
    assert allowed.headers["access-control-allow-credentials"] == "true"
    other = fetch(app, "/", headers={"Origin": "https://evil.test"})
    assert "access-control-allow-origin" not in other.headers
    assert other.headers["vary"] == allowed.headers["vary"] == "Origin"


def test_methods_and_headers_are_those_of_the_settings(settings: Settings) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    settings.FASTAPI_CORS_ALLOW_METHODS = ["GET"]
    settings.FASTAPI_CORS_ALLOW_HEADERS = ["X-Known"]
    app = with_cors(answer)  # type: ignore[arg-type]
    asking = {"Origin": "https://one.test", "Access-Control-Request-Method": "GET"}
    assert fetch(app, "/", "OPTIONS", headers=asking | {"Access-Control-Request-Headers": "X-Known"}).is_success
    assert fetch(app, "/", "OPTIONS", headers=asking | {"Access-Control-Request-Headers": "X-Other"}).is_client_error
    assert fetch(app, "/", "OPTIONS", headers=asking | {"Access-Control-Request-Method": "PUT"}).is_client_error


def test_errors_carry_the_cors_headers_too(settings: Settings, registry: APIRegistry) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    api = registry.get_default()

    @api.get("/broken")
    def broken(_request: Request) -> None:
        raise RuntimeError("broken")

    for path, status in (("/broken", 500), ("/missing", 404)):
        response = fetch(with_cors(api), path, headers=ORIGIN)
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (status, "*")
