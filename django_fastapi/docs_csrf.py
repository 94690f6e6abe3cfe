"""Django's CSRF token for what the docs page sends, so that it can do what a logged in user can."""

import json
from typing import Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http.request import HttpHeaders
from django.middleware.csrf import get_token
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from .requests import django_request

# The token is asked for each time: a login changes it, and no script may read a cookie that is HttpOnly or in the
# session.
_SCRIPT: Final = """<head>
<script>
(() => {
  const send = window.fetch;
  const safe = ["GET", "HEAD", "OPTIONS", "TRACE"];
  window.fetch = async (target, options = {}) => {
    const method = (options.method || target.method || "GET").toUpperCase();
    const isOwn = new URL(target.url || target, location).origin === location.origin;
    const headers = new Headers(options.headers || target.headers);
    if (safe.includes(method) || !isOwn || headers.has("Authorization")) return send(target, options);
    const answer = await send(%(url)s, {headers: {Accept: "application/json"}});
    if (answer.ok) headers.set(%(header)s, (await answer.json()).csrf_token);
    return send(target, {...options, headers});
  };
})();
</script>"""


async def give_token(request: Request) -> Response:
    """Answer with a CSRF token, and set its cookie."""
    token = await sync_to_async(get_token)(django_request(request))
    return JSONResponse({"csrf_token": token}, headers={"Cache-Control": "no-store"})


def with_token(page: HTMLResponse, url: str) -> HTMLResponse:
    """Return a docs page whose unsafe requests to its own site carry a token.

    Args:
        page: The page.
        url: Where `give_token` is.
    """
    header = HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME) or "X-CSRFToken"
    script = _SCRIPT % {"url": _as_script(url), "header": _as_script(header)}
    return HTMLResponse(bytes(page.body).decode().replace("<head>", script, 1))


def _as_script(text: str) -> str:
    return json.dumps(text).replace("<", "\\u003c")
