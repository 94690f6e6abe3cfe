"""S7: a view of Django's, which this project serves too."""

from typing import Any

from bench.work import Work

WORK = Work("Django view, 36 rows", "/django/permissions")


def django(urls: list[Any]) -> None:
    from django.http import HttpRequest, JsonResponse
    from django.urls import path

    from bench.site.models import Permission

    def permissions(_request: HttpRequest) -> JsonResponse:
        return JsonResponse({"items": [{"pk": one.pk, "name": one.name} for one in Permission.objects.all()]})

    urls.append(path("django/permissions", permissions))


def ours(_api: Any) -> None:
    """Add nothing: the site's URLconf, which has the view, is served too."""
