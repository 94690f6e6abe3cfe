"""The Django views, the same for this project and for Django alone."""

from django.http import HttpRequest, JsonResponse

from .models import Permission


def ping(_request: HttpRequest) -> JsonResponse:
    """Answer."""
    return JsonResponse({"ping": "pong"})


def permissions(_request: HttpRequest) -> JsonResponse:
    """Answer 36 rows."""
    return JsonResponse({"items": [{"pk": one.pk, "name": one.name} for one in Permission.objects.all()]})
