"""What Django knows of a visitor: session, user, messages, language and CSRF secret.

All of it comes from the project's own middleware: the classes in `MIDDLEWARE` that are, or inherit from, Django's.
Their `process_request` runs when somebody asks for what it gives, their `process_response` if somebody has asked.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.module_loading import import_string

from .sessions import tell_outages

SESSION: Final = "django.contrib.sessions.middleware.SessionMiddleware"
AUTHENTICATION: Final = "django.contrib.auth.middleware.AuthenticationMiddleware"
MESSAGES: Final = "django.contrib.messages.middleware.MessageMiddleware"
LOCALE: Final = "django.middleware.locale.LocaleMiddleware"
CSRF: Final = "django.middleware.csrf.CsrfViewMiddleware"

# By name: some of these modules import models, and this one is imported before there are any.
_KINDS: Final = (SESSION, AUTHENTICATION, MESSAGES, LOCALE, CSRF)

GIVERS: Final = {
    "session": SESSION,
    "user": AUTHENTICATION,
    "auser": AUTHENTICATION,
    "_messages": MESSAGES,
    "LANGUAGE_CODE": LOCALE,
}
"""Which middleware sets which attribute of a request."""

_CSRF_SECRET: Final = "CSRF_COOKIE"  # noqa: S105 (the key under which Django keeps it)
_CSRF_NEWS: Final = "CSRF_COOKIE_NEEDS_UPDATE"


class _Middleware(Protocol):
    def process_request(self, request: HttpRequest) -> object: ...

    def process_response(self, request: HttpRequest, response: HttpResponse) -> object: ...


@dataclass(frozen=True, slots=True)
class _Listed:
    """A class in `MIDDLEWARE`, and which of Django's it is or inherits from."""

    kind: str
    middleware: type[Any]

    @property
    def is_djangos_own(self) -> bool:
        return _path(self.middleware) == self.kind

    def make(self) -> _Middleware | None:
        """Return an instance: one for each request, since it reads settings, and those may be overridden."""
        try:
            return cast("_Middleware", self.middleware(_no_response))
        except MiddlewareNotUsed:
            return None

    def has_news(self, request: HttpRequest) -> bool:
        """Return whether its `process_response` is to be called."""
        if not hasattr(self.middleware, "process_response"):
            return False
        if self.kind == CSRF:
            return _CSRF_NEWS in request.META
        return any(giver == self.kind and name in vars(request) for name, giver in GIVERS.items())


def give(request: HttpRequest, kind: str) -> bool:
    """Have the project's middleware of a kind set its attributes on a request; return whether there is one.

    The language is set on the request and not activated: only a middleware around the whole request could do that for
    everything in it.

    Args:
        request: The request.
        kind: One of the names above.
    """
    for listed in _listed(tuple(settings.MIDDLEWARE)):
        if listed.kind == kind and (middleware := listed.make()):
            if kind == LOCALE:
                with translation.override(translation.get_language()):
                    middleware.process_request(request)
            else:
                middleware.process_request(request)
            if kind == SESSION:
                tell_outages(request.session)
            return True
    return False


def is_djangos_own(kind: str) -> bool:
    """Return whether the project's middleware of a kind is Django's class and no other, which may do anything."""
    return all(listed.is_djangos_own for listed in _listed(tuple(settings.MIDDLEWARE)) if listed.kind == kind)


def find(kind: str) -> Any | None:
    """Return an instance of the project's middleware of a kind, for what is called on it by hand; None without one."""
    made = (listed.make() for listed in _listed(tuple(settings.MIDDLEWARE)) if listed.kind == kind)
    return next((middleware for middleware in made if middleware is not None), None)


def is_left_to_project(path: str) -> bool:
    """Return whether a middleware does nothing around a route that the project's own does not do for every request.

    Django's own for sessions and for messages make what somebody asks for, and save it. So does `take_leave`, after all
    that may still change it, and for both to do it would be to save twice, and to send each cookie twice (RFC 6265,
    section 4.1.1). The others also check or activate something.
    """
    return path in {SESSION, MESSAGES} and find(path) is not None


def has_news(request: HttpRequest) -> bool:
    """Return whether the response to a request is any business of the middleware."""
    given = vars(request)
    return (
        any(name in given for name in ("session", "_messages", "LANGUAGE_CODE"))
        or _CSRF_NEWS in request.META
        or settings.SESSION_SAVE_EVERY_REQUEST
    )


def needs_thread(request: HttpRequest) -> bool:
    """Return whether the middleware may have to save something, which is synchronous work.

    That a session was read takes no more than a header, if it is Django's own middleware that sets it.
    """
    given = vars(request)
    session = given.get("session")
    return (
        "_messages" in given
        or _CSRF_NEWS in request.META
        or settings.SESSION_SAVE_EVERY_REQUEST
        or (session is not None and session.modified)
        or any(one.has_news(request) and not one.is_djangos_own for one in _listed(tuple(settings.MIDDLEWARE)))
    )


def varies_on(request: HttpRequest) -> set[str]:
    """Return the request headers that what the middleware has given for a request depends on."""
    given = vars(request)
    session = given.get("session")
    names = {"Accept-Language"} if "LANGUAGE_CODE" in given else set[str]()
    if (session is not None and session.accessed) or coming_cookies(request):
        names.add("Cookie")
    return names


def coming_cookies(request: HttpRequest) -> set[str]:
    """Return the names of the cookies that `take_leave` may put on a response."""
    session = vars(request).get("session")
    names = {settings.CSRF_COOKIE_NAME} if request.META.get(_CSRF_NEWS) else set[str]()
    if session is not None and (session.modified or settings.SESSION_SAVE_EVERY_REQUEST):
        names.add(settings.SESSION_COOKIE_NAME)
    if _has_messages(request):
        names.add(CookieStorage.cookie_name)
    return names


def _has_messages(request: HttpRequest) -> bool:
    """Return whether messages have been shown or left, and not merely looked for."""
    messages = vars(request).get("_messages")
    return messages is not None and bool(messages.added_new or (messages.used and len(messages)))


def take_leave(request: HttpRequest, response: HttpResponse) -> None:
    """Have the middleware put on a response what the request has brought about, in Django's order.

    Raises:
        django.contrib.sessions.exceptions.SessionInterrupted: The session was deleted in the meantime.
    """
    if settings.SESSION_SAVE_EVERY_REQUEST:
        hasattr(request, "session")
    for listed in reversed(_listed(tuple(settings.MIDDLEWARE))):
        if listed.has_news(request) and (middleware := listed.make()):
            middleware.process_response(request, response)


@functools.lru_cache(maxsize=8)
def _listed(paths: tuple[str, ...]) -> tuple[_Listed, ...]:
    """Return the classes of middleware that matter here, in the order of `MIDDLEWARE`."""
    listed: list[_Listed] = []
    for path in paths:
        middleware: object = import_string(path)
        if isinstance(middleware, type):
            ancestors = {_path(ancestor) for ancestor in middleware.__mro__}
            listed += [_Listed(kind, middleware) for kind in _KINDS if kind in ancestors]
    return tuple(listed)


def _path(middleware: type[Any]) -> str:
    return f"{middleware.__module__}.{middleware.__qualname__}"


def _no_response(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class Meta(dict[str, Any]):
    """`META`, with the CSRF secret of the visitor as soon as somebody looks for it.

    It comes from a cookie, or with `CSRF_USE_SESSIONS` from the session, which is not to be loaded for every request.

    Args:
        meta: What there is from the start.
        give_secret: Puts the secret here, if there is one.
    """

    def __init__(self, meta: dict[str, Any], give_secret: Callable[[], object]) -> None:
        super().__init__(meta)
        self._give_secret: Callable[[], object] | None = give_secret

    def __contains__(self, key: object) -> bool:
        """Return whether there is a key."""
        self._look_for(key)
        return super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        """Return a value."""
        self._look_for(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or else the default."""
        self._look_for(key)
        return super().get(key, default)

    def _look_for(self, key: object) -> None:
        # A secret that is there by now is newer: a login has changed it.
        if key != _CSRF_SECRET or self._give_secret is None or super().__contains__(key):
            return
        give_secret, self._give_secret = self._give_secret, None
        try:
            give_secret()
        except BaseException:
            self._give_secret = give_secret
            raise
