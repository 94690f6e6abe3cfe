"""The further methods of a middleware: about the endpoint, its exceptions, and responses still to be rendered."""

from typing import Any

from asgiref.sync import sync_to_async
from django.http.response import HttpResponseBase
from starlette.responses import Response

from django_fastapi.matches import find_view, match
from django_fastapi.requests import FastAPIRequest
from django_fastapi.types import Receive, Scope, Send

from .answers import Origin, send_response
from .loading import Loaded


class DjangoAnswer(Response):
    """A Django response as one of Starlette's.

    Args:
        django_response: Any, a stream too.
    """

    def __init__(self, django_response: HttpResponseBase) -> None:
        super().__init__(status_code=django_response.status_code)
        self._django_response = django_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope, receive
        await send_response(self._django_response, Origin(), send)


async def ask_before_view(loaded: Loaded, request: FastAPIRequest, scope: Scope) -> HttpResponseBase | None:
    """Return what `process_view` answers in the place of the endpoint, if it does.

    The endpoint has what Django's decorators leave on a view, such as `csrf_exempt`.
    """
    if loaded.process_view is None:
        return None
    view = find_view(scope)
    if view is None:
        return None
    if request.resolver_match is None:
        request.resolver_match = match({**scope, **view.scope})
    answer = await loaded.process_view(request, view.endpoint, (), dict(view.kwargs))
    response: HttpResponseBase | None = await rendered(loaded, request, answer)
    return response


async def ask_about_exception(loaded: Loaded, request: FastAPIRequest, error: Exception) -> HttpResponseBase | None:
    """Return what `process_exception` answers to an exception of the endpoint, if it does."""
    if loaded.process_exception is None:
        return None
    answer = await loaded.process_exception(request, error)
    response: HttpResponseBase | None = await rendered(loaded, request, answer)
    return response


async def rendered(loaded: Loaded, request: FastAPIRequest, response: Any) -> Any:
    """Return a response with its content: that of a `TemplateResponse` is made here, on the request's thread."""
    if getattr(response, "is_rendered", True):
        return response
    if loaded.process_template_response is not None:
        response = await loaded.process_template_response(request, response)
    return await sync_to_async(response.render)()
