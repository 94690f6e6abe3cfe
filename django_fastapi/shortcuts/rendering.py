"""Templates as responses: `render`, for synchronous and async code."""

import functools
from collections.abc import Mapping
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.template import loader
from starlette.responses import HTMLResponse
from starlette.status import HTTP_200_OK

from .awaiting import here_or_awaited
from .requests import AnyRequest, as_django

_HTML: Final = "text/html"


def render(  # noqa: PLR0913, PLR0917 (Django's signature, with headers)
    request: AnyRequest,
    template_name: str | list[str] | tuple[str, ...],
    context: Mapping[str, Any] | None = None,
    content_type: str | None = None,
    status: int | None = None,
    using: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Return a response with a template, filled by the engines and context processors of the project.

    On the event loop it returns what can only be awaited: `return await render(request, "page.html")`. Typed async code
    uses `arender`. The template runs on the request's thread, so it may follow relations and evaluate querysets.

    Args:
        request: Starlette's or Django's.
        template_name: A template, or several of which the first that exists is taken.
        context: What the template may use beside what the context processors give.
        content_type: The media type, `text/html` if None.
        status: The status code, 200 if None.
        using: The `NAME` of the engine; any of them if None.
        headers: Further headers.

    Raises:
        TemplateDoesNotExist: No engine has the template.
        TemplateSyntaxError: The template is wrong.
    """
    call = f"render(request, {template_name!r})"
    function = functools.partial(
        _render, as_django(request), template_name, context, content_type, status, using, headers
    )
    response: HTMLResponse = here_or_awaited(call, function)
    return response


async def arender(  # noqa: PLR0913, PLR0917 (that of `render`)
    request: AnyRequest,
    template_name: str | list[str] | tuple[str, ...],
    context: Mapping[str, Any] | None = None,
    content_type: str | None = None,
    status: int | None = None,
    using: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Return a response with a template; see `render`."""
    function = sync_to_async(_render)
    return await function(as_django(request), template_name, context, content_type, status, using, headers)


def _render(  # noqa: PLR0913, PLR0917 (that of `render`)
    django_request: HttpRequest,
    template_name: str | list[str] | tuple[str, ...],
    context: Mapping[str, Any] | None,
    content_type: str | None,
    status: int | None,
    using: str | None,
    headers: Mapping[str, str] | None,
) -> HTMLResponse:
    content = loader.render_to_string(template_name, dict(context or {}), django_request, using)
    return HTMLResponse(content, status or HTTP_200_OK, headers, content_type or _HTML)
