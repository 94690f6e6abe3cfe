from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


def urlconf_by_host(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        if request.get_host() == "other.test":
            request.urlconf = "tests.project.other_urls"
        return get_response(request)

    return middleware
