"""URL patterns that `reverse()` and `{% url %}` use to find API routes; they serve nothing.

`path("", include("django_fastapi.urls"))` in the root URLconf makes `reverse("api:read_book", kwargs={"pk": 1})` work,
where "api" is the name of the default API (others have the name given to `register_api`) and "read_book" that of the
route, by default its function's.
"""

import logging
from collections.abc import Iterator
from typing import Any, NoReturn

from django.urls import Resolver404, URLPattern, URLResolver
from django.urls.resolvers import RegexPattern
from django.utils.functional import cached_property
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from . import settings
from .discovery import discover
from .registry import RegisteredAPI, get_registry

_logger = logging.getLogger(__name__)


class APIResolver(URLResolver):
    """A resolver that resolves nothing and holds the routes of all APIs for reversing.

    The routes are read at the first `reverse()`. Until then no API module is imported.
    """

    resolves_nothing = True

    def __init__(self) -> None:
        super().__init__(RegexPattern(r""), [])

    def resolve(self, path: Any) -> NoReturn:
        """Leave the path to others: requests for API routes never come to Django's URLconf."""
        raise Resolver404({"path": path, "tried": []})

    def check(self) -> list[Any]:
        """Return no messages: the routes are not Django's to check, and checking would import them."""
        return []

    @cached_property
    def url_patterns(self) -> list[URLResolver]:  # type: ignore[override]  # Django's stubs have a wider list
        """One namespace for each API; none if an API module is broken.

        Django's check of the URLconf comes here, and an exception would stop `migrate`. Nothing is hidden by that: the
        check `django_fastapi.W003` and every server say what is broken.
        """
        registry = get_registry()
        try:
            discover(registry)
            registered = registry.all()
        except Exception:
            _logger.debug("API routes cannot be reversed: an API module is broken.", exc_info=True)
            return []
        return [
            URLResolver(RegexPattern(r""), list(_patterns(api)), app_name=api.name, namespace=api.name)
            for api in registered
        ]


def _patterns(registered: RegisteredAPI) -> Iterator[URLPattern]:
    prefix = settings.ROOT_PATH.get() + registered.prefix
    for route in iter_route_contexts(registered.api.routes):
        if route.path and route.endpoint and route.name:
            regex, _, _ = compile_path(prefix + route.path)
            # Django puts the script prefix, which ends with a slash, in front.
            pattern = RegexPattern(regex.pattern.replace("^/", "^", 1))
            yield URLPattern(pattern, route.endpoint, name=route.name)


def __getattr__(name: str) -> list[APIResolver]:
    # New ones for whoever asks: `clear_url_caches()` can forget the routes then, with all else that it forgets.
    if name == "urlpatterns":
        return [APIResolver()]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
