from collections.abc import Callable

import pytest
from fastapi import APIRouter, FastAPI
from pytest_django import Settings
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from django_fastapi import openapi
from django_fastapi.openapi import install_docs
from django_fastapi.registry import APIRegistry

from .conftest import fetch

PAGES = ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect")
ASSETS = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png", "redoc.standalone.js")


def test_the_pages_load_nothing_from_other_servers() -> None:
    api = FastAPI(title="Books")
    install_docs(api, "public")
    for path in ("/docs", "/redoc"):
        page = fetch(api, path)
        assert page.status_code == 200
        assert "https://" not in page.text
        assert "<title>Books - " in page.text
        assert "/docs/assets/" in page.text


@pytest.mark.parametrize("name", ASSETS)
def test_the_assets_are_served_by_this_process(name: str) -> None:
    api = FastAPI()
    install_docs(api, "public")
    asset = fetch(api, f"/docs/assets/{name}")
    assert asset.status_code == 200
    assert len(asset.content) > 500


@pytest.mark.parametrize("name", ["LICENSE", "..%2f..%2f..%2fapps.py", "%2e%2e/apps.py", "redoc"])
def test_nothing_but_the_assets_is_served(name: str) -> None:
    api = FastAPI()
    install_docs(api, "public")
    assert fetch(api, f"/docs/assets/{name}").status_code == 404


def test_off_takes_every_page_away_and_public_brings_them_back() -> None:
    api = FastAPI()
    install_docs(api, "off")
    assert [fetch(api, path).status_code for path in PAGES] == [404] * 4
    install_docs(api, "public")
    assert [fetch(api, path).status_code for path in PAGES] == [200] * 4


def test_installing_twice_leaves_one_set_of_routes() -> None:
    api = FastAPI()
    install_docs(api, "public")
    count = len(api.routes)
    install_docs(api, "public")
    assert len(api.routes) == count


def test_the_paths_are_those_of_the_application() -> None:
    api = FastAPI(docs_url="/manual", redoc_url=None, openapi_url="/schema.json")
    install_docs(api, "public")
    assert fetch(api, "/manual").text.count("/manual/assets/") == 3
    assert "url: '/schema.json'" in fetch(api, "/manual").text
    assert [fetch(api, path).status_code for path in ("/schema.json", "/redoc", "/docs")] == [200, 404, 404]


@pytest.mark.parametrize(("docs_url", "base"), [("/manual/", "/manual"), ("/", "/docs")])
def test_what_the_pages_load_has_a_path_without_empty_parts(docs_url: str, base: str) -> None:
    api = FastAPI(docs_url=docs_url)
    install_docs(api, "public")
    page = fetch(api, docs_url).text
    assert "//assets" not in page
    assert f'"{base}/csrf"' in page
    assert f'"{base}/assets/swagger-ui.css"' in page
    assert fetch(api, f"{base}/assets/swagger-ui.css").status_code == 200


def test_without_an_openapi_document_there_are_no_pages() -> None:
    api = FastAPI(openapi_url=None)
    install_docs(api, "public")
    assert [fetch(api, path).status_code for path in PAGES] == [404] * 4


def test_routes_of_the_projects_own_at_these_paths_stay() -> None:
    api = FastAPI(docs_url=None)

    @api.get("/docs", include_in_schema=False)
    def docs() -> str:
        return "mine"

    install_docs(api, "off")
    assert fetch(api, "/docs").json() == "mine"


def test_the_projects_middleware_still_surrounds_the_pages() -> None:
    class Bouncer:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await PlainTextResponse("not you", 403)(scope, receive, send)

    api = FastAPI(middleware=[Middleware(Bouncer)])
    install_docs(api, "public")
    assert fetch(api, "/docs").status_code == 403


def test_behind_a_prefix_all_urls_have_it() -> None:
    api = FastAPI()
    api.root_path = "/site"
    install_docs(api, "public")
    page = fetch(api, "/docs").text
    assert "'/site/openapi.json'" in page
    assert 'src="/site/docs/assets/swagger-ui-bundle.js"' in page
    assert fetch(api, "/openapi.json").json()["servers"] == [{"url": "/site"}]


def test_without_the_extra_the_page_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi, "_SIDECAR", "no_such_package")
    api = FastAPI()
    install_docs(api, "public")
    for path in ("/docs", "/redoc"):
        page = fetch(api, path)
        assert page.status_code == 404
        assert 'pip install "django-fastapi-bridge[docs]"' in page.text
    assert fetch(api, "/openapi.json").status_code == 200


def test_the_setting_rules_over_every_api(
    build: Callable[[], ASGIApp], registry: APIRegistry, settings: Settings, bare_django: Callable[..., None]
) -> None:
    bare_django()
    registry.register(FastAPI(), "v2", "/v2")
    settings.FASTAPI_DOCS_ACCESS = "off"
    site = build()
    assert [fetch(site, path).status_code for path in ("/docs", "/v2/docs", "/v2/openapi.json")] == [404] * 3
    settings.FASTAPI_DOCS_ACCESS = "public"
    site = build()
    assert [fetch(site, path).status_code for path in ("/docs", "/v2/docs", "/v2/openapi.json")] == [200] * 3
    assert '"/v2/docs/assets/' in fetch(site, "/v2/docs").text


def test_each_url_is_a_setting(
    build: Callable[[], ASGIApp], settings: Settings, bare_django: Callable[..., None]
) -> None:
    bare_django()
    settings.FASTAPI_DOCS_URL, settings.FASTAPI_REDOC_URL, settings.FASTAPI_OPENAPI_URL = "/a", "/b", "/c.json"
    site = build()
    assert [fetch(site, path).status_code for path in ("/a", "/b", "/c.json")] == [200] * 3
    assert [fetch(site, path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404] * 3
    settings.FASTAPI_DOCS_URL = settings.FASTAPI_REDOC_URL = None
    site = build()
    assert [fetch(site, path).status_code for path in ("/a", "/b", "/c.json")] == [404, 404, 200]
    assert fetch(site, "/docs/oauth2-redirect").status_code == 404


def test_a_schema_lists_the_routes_and_not_the_pages(registry: APIRegistry) -> None:
    api = registry.get_default()

    @api.get("/books")
    def books(_request: Request) -> None: ...

    install_docs(api, "public")
    assert list(fetch(api, "/openapi.json").json()["paths"]) == ["/books"]


@pytest.mark.django_db
@pytest.mark.parametrize(("access", "status"), [("off", 404), ("staff", 401), ("public", 200)])
def test_the_setting_rules_over_mounted_apis(
    api: FastAPI, build: Callable[[], ASGIApp], settings: Settings, access: str, status: int
) -> None:
    sub, deep, included, around = FastAPI(), FastAPI(), FastAPI(), FastAPI()
    sub.mount("/deep", deep)
    api.mount("/sub", sub)
    api.mount("/around", GZipMiddleware(around))
    router = APIRouter()
    router.mount("/sub", included)
    api.include_router(router, prefix="/router")
    settings.FASTAPI_DOCS_ACCESS = access
    site = build()
    for place in ("/sub", "/sub/deep", "/around", "/router/sub"):
        for page in ("/docs", "/redoc", "/openapi.json"):
            assert fetch(site, f"{place}{page}").status_code == status, (place, page)
