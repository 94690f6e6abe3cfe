"""The docs pages and the OpenAPI document of an API: where they are, who may see them, and their assets.

FastAPI's stock pages load scripts, styles and fonts from other people's servers. Here they come from the package
drf-spectacular-sidecar (the extra `docs`), served by this process, so that the pages work offline and tell nobody.
"""

from dataclasses import dataclass
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from .docs_csrf import give_token, with_token
from .settings import DOCS_OFF, DOCS_STAFF
from .staff import Endpoint, staff_only

_SIDECAR: Final = "drf_spectacular_sidecar"
_ASSETS: Final = {
    "swagger-ui-bundle.js": "swagger-ui-dist/swagger-ui-bundle.js",
    "swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
    "favicon-32x32.png": "swagger-ui-dist/favicon-32x32.png",
    "redoc.standalone.js": "redoc/bundles/redoc.standalone.js",
}
# ReDoc's bundle shows its maker's logo from a server of theirs; everything else on the pages is inline or our own.
_POLICY: Final = "img-src 'self' data: blob:; font-src 'self' data:"
# Under Django's default, "same-origin", the window of an authorization server that Swagger UI opens would lose its
# opener, and could not hand the code back (HTML standard, section 7.1.3).
_OPENS_WINDOWS: Final = "same-origin-allow-popups"
_IS_OPENED: Final = "unsafe-none"
_MISSING_EXTRA: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>API docs</title>
<body style="font-family: sans-serif; margin: 3rem"><h1>The API docs are not installed</h1>
<p>Install their assets with <code>pip install "django-fastapi-bridge[docs]"</code> and restart the server.</p>
<p>The <a href="{openapi_url}">OpenAPI document</a> is there.</p></body></html>"""


def has_assets() -> bool:
    """Return whether the extra `docs` is installed."""
    return find_spec(_SIDECAR) is not None


def describe(api: FastAPI, root_path: str) -> dict[str, Any]:
    """Return the OpenAPI document of an API.

    Args:
        api: The application.
        root_path: Where it is served: empty, or "/" and more; the document has it among its servers.
    """
    document = api.openapi()
    servers = document.get("servers", [])
    if not root_path or not api.root_path_in_servers or root_path in {server.get("url") for server in servers}:
        return document
    return {**document, "servers": [{"url": root_path}, *servers]}


def install_docs(api: FastAPI, access: str) -> None:
    """Put our docs pages in the place of FastAPI's, or take them away.

    The paths are those of the application: `openapi_url`, `docs_url`, `redoc_url`. Routes of the project's own at these
    paths stay as they are. Calling it again replaces what an earlier call installed.

    Args:
        api: The application; its middleware goes on to surround the pages.
        access: "public", "staff" or "off", as `FASTAPI_DOCS_ACCESS` has it.
    """
    routes = api.router.routes
    stock = [route for route in routes if is_docs_route(route)]
    position = routes.index(stock[0]) if stock else 0
    routes[:] = [route for route in routes if route not in stock]
    if access != DOCS_OFF:
        routes[position:position] = _docs_routes(_Pages(api), is_staff_only=access == DOCS_STAFF)


class DocsRoute(Route):
    """A route that `install_docs` made.

    Attributes:
        is_staff_only: Whether it turns everybody else away.
    """

    is_staff_only: bool = False


def is_docs_route(route: BaseRoute) -> bool:
    """Return whether a route serves the docs of an API: one of ours, or of FastAPI's own."""
    return isinstance(route, DocsRoute) or (
        isinstance(route, Route) and getattr(route.endpoint, "__module__", "") == "fastapi.applications"
    )


def _docs_routes(pages: "_Pages", *, is_staff_only: bool) -> list[BaseRoute]:
    api = pages.api
    if not api.openapi_url:
        return []
    routes: list[tuple[str, Endpoint, bool]] = [(api.openapi_url, pages.openapi, is_staff_only)]
    if api.docs_url:
        routes.append((api.docs_url, pages.swagger, is_staff_only))
        routes.append((pages.csrf_url, give_token, is_staff_only))
        if api.swagger_ui_oauth2_redirect_url:
            routes.append((api.swagger_ui_oauth2_redirect_url, pages.oauth2_redirect, False))
    if api.redoc_url:
        routes.append((api.redoc_url, pages.redoc, is_staff_only))
    if (api.docs_url or api.redoc_url) and has_assets():
        routes.append((pages.assets_url + "/{name}", pages.asset, False))
    return [_docs_route(*route) for route in routes]


def _docs_route(path: str, endpoint: Endpoint, is_staff_only: bool) -> DocsRoute:  # noqa: FBT001 (one of a tuple)
    route = DocsRoute(path, staff_only(endpoint) if is_staff_only else endpoint, include_in_schema=False)
    route.is_staff_only = is_staff_only
    return route


@dataclass(frozen=True, slots=True)
class _Pages:
    """The endpoints behind the routes."""

    api: FastAPI

    @property
    def _base_url(self) -> str:
        """Where the rest is; beside FastAPI's own `/docs/oauth2-redirect` for a page at the root."""
        return (self.api.docs_url or self.api.redoc_url or "").rstrip("/") or "/docs"

    @property
    def assets_url(self) -> str:
        return f"{self._base_url}/assets"

    @property
    def csrf_url(self) -> str:
        return f"{self._base_url}/csrf"

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(describe(self.api, _root_path(request)))

    async def swagger(self, request: Request) -> Response:
        root = _root_path(request)
        redirect_url = self.api.swagger_ui_oauth2_redirect_url
        page = get_swagger_ui_html(
            openapi_url=f"{root}{self.api.openapi_url}",
            title=f"{self.api.title} - Swagger UI",
            swagger_js_url=self._asset_url(root, "swagger-ui-bundle.js"),
            swagger_css_url=self._asset_url(root, "swagger-ui.css"),
            swagger_favicon_url=self._asset_url(root, "favicon-32x32.png"),
            oauth2_redirect_url=f"{root}{redirect_url}" if redirect_url else None,
            init_oauth=self.api.swagger_ui_init_oauth,
            swagger_ui_parameters=self.api.swagger_ui_parameters,
        )
        return self._page_or_cure(with_token(page, f"{root}{self.csrf_url}"), root)

    async def redoc(self, request: Request) -> Response:
        root = _root_path(request)
        page = get_redoc_html(
            openapi_url=f"{root}{self.api.openapi_url}",
            title=f"{self.api.title} - ReDoc",
            redoc_js_url=self._asset_url(root, "redoc.standalone.js"),
            redoc_favicon_url=self._asset_url(root, "favicon-32x32.png"),
            with_google_fonts=False,
        )
        return self._page_or_cure(page, root)

    async def oauth2_redirect(self, _request: Request) -> Response:
        page = get_swagger_ui_oauth2_redirect_html()
        page.headers["Content-Security-Policy"] = _POLICY
        page.headers["Cross-Origin-Opener-Policy"] = _IS_OPENED
        return page

    async def asset(self, request: Request) -> Response:
        file = _ASSETS.get(request.path_params["name"])
        spec = find_spec(_SIDECAR)
        if file is None or spec is None or spec.origin is None:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        return FileResponse(Path(spec.origin).parent / "static" / _SIDECAR / file)

    def _asset_url(self, root: str, name: str) -> str:
        return f"{root}{self.assets_url}/{name}"

    def _page_or_cure(self, page: HTMLResponse, root: str) -> Response:
        if not has_assets():
            cure = _MISSING_EXTRA.format(openapi_url=f"{root}{self.api.openapi_url}")
            return HTMLResponse(cure, status_code=HTTPStatus.NOT_FOUND)
        page.headers["Content-Security-Policy"] = _POLICY
        page.headers["Cross-Origin-Opener-Policy"] = _OPENS_WINDOWS
        return page


def _root_path(request: Request) -> str:
    root_path: str = request.scope.get("root_path", "")
    return root_path.rstrip("/")
