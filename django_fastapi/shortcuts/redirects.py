"""Redirects to this site, and to others only if that is meant; and where names of routes and views lead to."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast

from django.core.exceptions import DisallowedRedirect
from django.http import HttpResponsePermanentRedirect, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse as django_reverse
from django.utils.http import url_has_allowed_host_and_scheme
from starlette.responses import RedirectResponse

from django_fastapi.discovery import discover
from django_fastapi.registry import get_registry

_API_URLS: Final = "django_fastapi.urls"
_NAME: Final = re.compile(r"[\w-]+(:[\w-]+)*")


def reverse(
    name: str,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    query: Mapping[str, Any] | None = None,
    fragment: str | None = None,
) -> str:
    """Return the path of a Django view or of a route of FastAPI's.

    A route is named `"api:read_book"`: its API's name, and its own, by default that of its function. That works whether
    or not the URLconf includes `django_fastapi.urls`; a view of the same name comes first.

    Args:
        name: The name, with its namespaces.
        args: Values for a view's positional parameters.
        kwargs: Values for the parameters by name.
        query: What to put behind the question mark.
        fragment: What to put behind the hash sign.

    Raises:
        NoReverseMatch: There is no such name, or the values do not fit.
    """
    options: dict[str, Any] = {"args": args, "kwargs": kwargs, "query": query, "fragment": fragment}
    try:
        return django_reverse(name, **options)
    except NoReverseMatch:
        if not _is_of_api(name):
            raise
    return django_reverse(name, _API_URLS, **options)


def redirect(
    to: Any,
    *args: Any,
    permanent: bool = False,
    preserve_request: bool = False,
    allowed_hosts: Collection[str] = (),
    **kwargs: Any,
) -> RedirectResponse:
    """Return a redirect to a page of this site.

    Args:
        to: An object with `get_absolute_url()`, the name of a view or a route (see `reverse`), or a URL.
        *args: Values for the view's positional parameters.
        permanent: Whether clients may remember it: 301 in the place of 302.
        preserve_request: Whether the client repeats method and body: 307 or 308.
        allowed_hosts: Other hosts that `to` may lead to. Name this site's own if `to` is an absolute URL of it.
        **kwargs: Values for parameters by name.

    Raises:
        DisallowedRedirect: The target is elsewhere, no web page, or holds control characters. It is answered with 400
            and logged without the target, which may have come from the client.
        NoReverseMatch: There is no such name, or the values do not fit.
    """
    url = _resolve(to, args, kwargs)
    if any(unicodedata.category(character) == "Cc" for character in url):
        raise DisallowedRedirect("A redirect to a URL with control characters was refused.")
    if not url_has_allowed_host_and_scheme(url, set(allowed_hosts)):
        raise DisallowedRedirect(
            "A redirect to another site, or to what is no web page, was refused. "
            "If it is meant, name the host: `redirect(..., allowed_hosts={...})`."
        )
    kind = HttpResponsePermanentRedirect if permanent else HttpResponseRedirect
    # Django's own has further rules, such as how long a URL may be, and escapes what is no ASCII.
    found = kind(url, preserve_request=preserve_request)
    return RedirectResponse(found.headers["Location"], found.status_code)


def _is_of_api(name: str) -> bool:
    discover(get_registry())
    return name.partition(":")[0] in {registered.name for registered in get_registry().all()}


def _resolve(to: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Return the URL that is meant, as Django's `resolve_url` does, with routes of FastAPI's among the names."""
    if isinstance(to, str) and _NAME.fullmatch(to):
        return reverse(to, args or None, kwargs or None)
    try:
        return str(resolve_url(cast("Any", to), *args, **kwargs))
    except NoReverseMatch:
        if args or kwargs or not isinstance(to, str):
            raise
    # It may have come from the client: no fault of the site, and no text for its log.
    raise DisallowedRedirect("A redirect to what is neither a name nor a URL was refused.")
