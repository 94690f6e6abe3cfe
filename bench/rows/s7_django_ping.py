"""S7: a view of Django's with nothing in it."""

from typing import Any

from bench.work import Work

WORK = Work("Django view, nothing in it", "/django/ping")


def django(urls: list[Any]) -> None:
    from django.http import HttpRequest, JsonResponse
    from django.urls import path

    def ping(_request: HttpRequest) -> JsonResponse:
        return JsonResponse({"ping": "pong"})

    urls.append(path("django/ping", ping))


def ours(_api: Any) -> None:
    """Add nothing: the site's URLconf, which has the view, is served too."""
