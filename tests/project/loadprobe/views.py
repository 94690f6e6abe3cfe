from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from .gates import gate
from .models import Row
from .reading import aread_barely, read_barely
from .state import heard
from .writing import write


def read_view(_request: HttpRequest) -> JsonResponse:
    return JsonResponse(read_barely(), safe=False)


async def aread_view(_request: HttpRequest) -> JsonResponse:
    return JsonResponse(await aread_barely(), safe=False)


@csrf_exempt
def write_view(request: HttpRequest) -> HttpResponse:
    outcome = request.GET["outcome"]
    if outcome == "http":
        outcome = "raise"  # Django knows no HTTPException
    status = write(request.GET["note"], outcome).status_code  # type: ignore[arg-type]
    return HttpResponse(status=status)


def hold_view(_request: HttpRequest, name: str) -> HttpResponse:
    Row.objects.count()
    gate(name).pass_through()
    return HttpResponse()


def rows_view(request: HttpRequest) -> StreamingHttpResponse:
    def lines() -> Iterator[str]:
        for row in Row.objects.filter(note=request.GET["note"]).order_by("pk").iterator(chunk_size=50):
            yield f"{row.pk}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def language_view(_request: HttpRequest) -> JsonResponse:
    return JsonResponse([heard()], safe=False)
