import json
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from tempfile import TemporaryFile

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.utils.translation import get_language
from django.views.decorators.csrf import csrf_exempt

from .notes import note

LARGE = 128 * 1024 * 1024


def stream(_request: HttpRequest) -> StreamingHttpResponse:
    def lines() -> Iterator[str]:
        for number in range(5):
            yield f"line {number}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def endless(_request: HttpRequest) -> StreamingHttpResponse:
    def ticks() -> Iterator[bytes]:
        try:
            while True:
                yield b"tick\n" * 100
                time.sleep(0.01)
        finally:
            note("Django's endless ended")

    return StreamingHttpResponse(ticks(), content_type="text/plain")


def large_file(_request: HttpRequest) -> FileResponse:
    file = TemporaryFile()  # noqa: SIM115 (the response closes it)
    file.truncate(LARGE)
    return FileResponse(file)


@csrf_exempt
def upload(request: HttpRequest) -> JsonResponse:
    file = request.FILES.get("file")
    if file is None:
        return JsonResponse({"detail": "There is no file."}, status=400)
    return JsonResponse({"name": file.name, "size": file.size, "sha256": sha256(file.read()).hexdigest()})


@csrf_exempt
def take_json(request: HttpRequest) -> HttpResponse:
    return HttpResponse(sum(json.loads(request.body)))


def crash(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(f"the Django view broke {request.GET.get('word', '')}")


def leave(_request: HttpRequest) -> HttpResponse:
    sys.exit("the Django view wants to end the process")


def missing(_request: HttpRequest) -> HttpResponse:
    raise Http404("this view found nothing")


@csrf_exempt
def shared(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Django took {request.method}")


def local(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_language())


def other(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("the other URLconf")
