"""URL patterns that `reverse()` and `{% url %}` use to find API routes; they serve nothing.

`path("", include("django_fastapi.urls"))` in the root URLconf makes `reverse("api:read_book", kwargs={"pk": 1})` work,
where "api" is the name of the default API (others have the name given to `register_api`) and "read_book" that of the
route, by default its function's.
"""

import logging
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any, NoReturn, cast

from django.urls import Resolver404, URLPattern, URLResolver, get_script_prefix, set_script_prefix
from django.urls.resolvers import RegexPattern
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from . import settings
from .discovery import discover
from .registry import APIRegistry, RegisteredAPI, get_registry

_logger = logging.getLogger(__name__)


class APIResolver(URLResolver):
    """A resolver that resolves nothing and holds the routes of all APIs for reversing.

    They are read at the first `reverse()`. Until then no API module is imported.
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

    @property
    def url_patterns(self) -> list[URLResolver]:  # type: ignore[override]  # Django's stubs have a wider list
        """One namespace for each API; none if an API module is broken.

        Django's check of the URLconf comes here, and an exception would stop `migrate`. Nothing is hidden by that: the
        check `django_fastapi.W003` and every server say what is broken. Django remembers what it was given, until
        `clear_url_caches()`.
        """
        registry = get_registry()
        try:
            # Django takes no reversal within another of the same context, and an API module may want one.
            Context().run(_discover, registry, get_script_prefix())
            registered = registry.all()
        except Exception:
            _logger.debug("API routes cannot be reversed: an API module is broken.", exc_info=True)
            return []
        return [_Namespace(api) for api in registered]


def _discover(registry: APIRegistry, script_prefix: str) -> None:
    set_script_prefix(script_prefix)
    discover(registry)


class _Namespace(URLResolver):
    """The routes of one API: those as well that were added since Django has read them.

    Django reads all patterns when it first reverses a name, which an API module may do before its last route.
    """

    def __init__(self, registered: RegisteredAPI) -> None:
        super().__init__(RegexPattern(r""), [], app_name=registered.name, namespace=registered.name)
        self._registered = registered

    @property
    def url_patterns(self) -> list[URLPattern]:  # type: ignore[override]  # Django's stubs have a wider list
        """One pattern for each route that has a name."""
        return list(_patterns(self._registered))

    def _reverse_with_prefix(self, lookup_view: Any, _prefix: str, *args: Any, **kwargs: Any) -> str:
        routes = iter_route_contexts(self._registered.api.routes)
        if lookup_view not in self.reverse_dict and any(route.name == lookup_view for route in routes):
            self._populate()
        # It stands for the whole way to the APIs, so that this is what FastAPI's `url_for` gives.
        root_path = settings.ROOT_PATH.get()
        prefix = f"{root_path}/" if root_path else _prefix
        reverse = cast("Callable[..., str]", super()._reverse_with_prefix)  # type: ignore[misc]  # Django's stubs lack it
        return reverse(lookup_view, prefix, *args, **kwargs)


def _patterns(registered: RegisteredAPI) -> Iterator[URLPattern]:
    for route in iter_route_contexts(registered.api.routes):
        if route.path and route.endpoint and route.name:
            regex, _, _ = compile_path(registered.prefix + route.path)
            # Django puts the script prefix, which ends with a slash, in front.
            pattern = RegexPattern(regex.pattern.replace("^/", "^", 1))
            yield URLPattern(pattern, route.endpoint, name=route.name)


urlpatterns: list[APIResolver] = [APIResolver()]
