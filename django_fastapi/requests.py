"""Django's request over Starlette's."""

import functools
import os
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from typing import Annotated, Any, BinaryIO, Final, TypeAlias, cast

from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, RawPostDataException, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from fastapi import Depends
from starlette.datastructures import FormData
from starlette.requests import HTTPConnection, Request

from .bodies import Body, already_read
from .content_types import FORMS, MULTIPART, correct, is_djangos_utf8
from .exceptions import ConfigurationError
from .forms import from_multipart, from_urlencoded, parsing
from .matches import match
from .types import Receive, Scope
from .visitors import CSRF, GIVERS, Meta, give

SLOT: Final = "django_fastapi.django_request"
"""The key in a scope of the place of the one Django request."""

_KNOWN: Final = "django_fastapi.known_request"
_HTTP_SCHEMES: Final = {"ws": "http", "wss": "https"}


class Undecodable(BadRequest, ValueError):
    """A request of which Django cannot make one of its own.

    Its parser of headers raises a `ValueError` or a `TypeError`, by what is wrong in a parameter (RFC 2231).
    """

    def __init__(self) -> None:
        super().__init__("The query string or a header of the request cannot be decoded.")


class FastAPIRequest(ASGIRequest):
    """The Django request of a request that FastAPI answers; a WebSocket is a GET.

    It is Django's own in all that is not told here. `session`, `user`, `auser`, `LANGUAGE_CODE` and the messages come
    from the project's middleware when they are first asked for, and are missing without it. `resolver_match` tells of
    FastAPI's route.

    The body is read when it is first asked for, together with FastAPI: what one side has read, the other has as well.
    For a `def` endpoint or dependency that takes `DjangoRequest` it has arrived before; any other thread waits for it.
    An `async def` endpoint whose body FastAPI has not read awaits `aload_body()` before it uses `body`, `POST`, `FILES`
    or `read`.

    Args:
        scope: What the server gave, without what FastAPI adds.
        body: The body.
        connection: Starlette's request or WebSocket.

    Raises:
        BadRequest: A header or the query string cannot be decoded.
    """

    _is_closed = False

    def __init__(self, scope: Scope, body: Body, connection: HTTPConnection) -> None:
        scheme = scope.get("scheme", "http")
        try:
            super().__init__({"method": "GET", **scope, "scheme": _HTTP_SCHEMES.get(scheme, scheme)}, BytesIO())
        except Exception as error:
            raise Undecodable from error
        correct(self)
        self.META: dict[str, Any] = Meta(self.META, functools.partial(give, self, CSRF))
        self._source = body
        self._connection = connection
        # Told by `__getattr__` as soon as there is something to tell.
        del self._stream, self.resolver_match

    @functools.cached_property
    def response(self) -> HttpResponse:
        """A response for Django code to put cookies and headers on, which go to the client with the answer.

        Whatever the endpoint returns has them, an error too. Content and status of this one are not used.
        """
        response = HttpResponse()
        del response.headers["Content-Type"]
        return response

    async def aload_body(self) -> None:
        """Read what is left of the body, so that `body`, `POST`, `FILES` and `read` need not wait for it.

        What exceeds `FILE_UPLOAD_MAX_MEMORY_SIZE` is kept in a temporary file until the end of the request.

        Raises:
            UnreadablePostError: The client went away.
            RawPostDataException: It has been read, and nobody has kept it.
        """
        if not self._source.is_taken:
            await self._source.load()
        elif already_read(self._connection) is None and "_stream" not in vars(self):
            self._stream = BytesIO(await self._source.aask_starlette(self._starlette_request))

    def set_user(self, user: Any) -> None:
        """Have `user` and `auser` give this user, whatever the session says."""

        async def auser() -> Any:
            return user

        self.__dict__.update(user=user, auser=auser)

    def meet(self, connection: HTTPConnection) -> None:
        """Note another request or WebSocket of Starlette's over the same scope, which may know more than the first."""
        if already_read(self._connection) is None:
            self._connection = connection

    def close(self) -> None:
        """Close what is open of the body and of uploaded files; a form that cannot be read any more is empty then."""
        self._is_closed = True
        self.__dict__.setdefault("_stream", BytesIO())
        super().close()

    def parse_file_upload(self, META: Any, post_data: Any) -> Any:  # noqa: N803 (Django's name)
        """Parse a multipart form as Django does, one without a `Content-Length` as well."""
        if META.get("CONTENT_LENGTH"):
            with parsing():
                return super().parse_file_upload(META, post_data)
        stream = post_data if isinstance(post_data, BytesIO) else self._stream
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        with parsing():
            return super().parse_file_upload({**META, "CONTENT_LENGTH": str(size)}, post_data)

    def __getattr__(self, name: str) -> Any:
        """Return what nobody has asked for before.

        Raises:
            AttributeError: There is no such attribute, or no middleware in the project that sets it.
        """
        if name == "_stream":
            self._stream = self._open_body()
            return self._stream
        if name == "resolver_match":
            if (found := match(self._connection.scope)) is not None:
                self.__dict__[name] = found
            return found
        message = f"{type(self).__name__!r} object has no attribute {name!r}"
        if (giver := GIVERS.get(name)) is not None:
            if give(self, giver) and name in vars(self):
                return vars(self)[name]
            message += f": add {giver!r} to MIDDLEWARE"
        raise AttributeError(message, name=name, obj=self)

    def _open_body(self) -> BinaryIO:
        """Return the body as a file, at its beginning.

        Raises:
            RawPostDataException: It has been read, and nobody has kept its bytes.
        """
        if not self._source.is_taken:
            return self._source.open()
        read = already_read(self._connection)
        if isinstance(read, FormData):
            raise RawPostDataException("FastAPI has read the body as a form, which is in POST and FILES.")
        return BytesIO(self._source.ask_starlette(self._starlette_request) if read is None else read)

    @property
    def _starlette_request(self) -> Request:
        assert isinstance(self._connection, Request)  # a WebSocket has no body to take
        return self._connection

    def _load_post_and_files(self) -> None:
        try:
            if not self._take_form():
                super()._load_post_and_files()
        except RawPostDataException:
            # Django has an empty form where the body was read in another way.
            self._mark_post_parse_error()
        except Exception as error:
            # What reports an error after the request reads the form as well, and is not to fail for it.
            if self._is_closed or isinstance(error, BadRequest | SuspiciousOperation | MultiPartParserError):
                self._mark_post_parse_error()
            if not self._is_closed:
                raise

    def _take_form(self) -> bool:
        """Take over the form that FastAPI has parsed; return whether there is one that Django does not refuse."""
        form = already_read(self._connection) if "_stream" not in vars(self) and self.method == "POST" else None
        if not isinstance(form, FormData) or not self._source.is_taken:
            return False
        if self.content_type == MULTIPART:
            charset = (self.content_params or {}).get("charset", "utf-8")
            self._post, self._files = from_multipart(form, charset, self.encoding or settings.DEFAULT_CHARSET)
            return True
        if not is_djangos_utf8(self):
            return False
        self._post, self._files = from_urlencoded(form)
        return True


class RequestSlot:
    """The place of a request's one Django request, empty until somebody asks.

    Args:
        scope: What the server gave.
        receive: The server's; None on a WebSocket.
    """

    # As attributes of the class what most requests never change: they are not to pay for it.
    _user: Any = None
    request: FastAPIRequest | None = None
    varies_on: frozenset[str] = frozenset()
    """Request headers that the answer depends on, to be named in `Vary`."""

    def __init__(self, scope: Scope, receive: Receive | None) -> None:
        self._scope = scope
        self.body: Body = Body(receive)

    def fill(self, connection: HTTPConnection) -> FastAPIRequest:
        """Return the Django request, made now if there is none."""
        if self.request is None:
            self.request = FastAPIRequest(self._scope, self.body, connection)
            if self._user is not None:
                self.request.set_user(self._user)
        else:
            self.request.meet(connection)
        return self.request

    @property
    def user(self) -> Any:
        """Who has shown who they are; None if nobody has asked yet, or there is nobody."""
        return self._user

    def set_user(self, user: Any) -> None:
        """Have Django's request give this user, once there is one."""
        self._user = user
        if self.request is not None:
            self.request.set_user(user)

    def close(self) -> None:
        """Close what is open of the body."""
        if self.request is not None:
            self.request.close()
        self.body.close()


def django_request(request: HTTPConnection) -> FastAPIRequest:
    """Return Django's request for one of Starlette's, or for a WebSocket; the same object all through the request.

    What Django code does to it reaches the client: a session, a CSRF cookie, messages. It is saved and put on when the
    response begins, after the transaction of the endpoint, whatever the endpoint returned. A WebSocket is given it when
    it is accepted, and has to save its session itself after that.

    Args:
        request: Starlette's request or WebSocket, of any dependency, endpoint, middleware or exception handler.

    Raises:
        ConfigurationError: The FastAPI application runs outside of this package's application.
        BadRequest: The request cannot be decoded.
    """
    return slot_of(request).fill(request)


def slot_of(request: HTTPConnection) -> RequestSlot:
    """Return the place of Django's request.

    Raises:
        ConfigurationError: The FastAPI application runs outside of this package's application.
    """
    slot: object = request.scope.get(SLOT)
    if not isinstance(slot, RequestSlot):
        raise ConfigurationError(
            "This FastAPI application runs by itself, so that nobody would save Django's session. Serve it through "
            "`django_fastapi.get_asgi_application()`, or in tests through `django_fastapi.testing.Client()`."
        )
    return slot


async def adjango_request(request: HTTPConnection) -> FastAPIRequest:
    """Return Django's request; the dependency behind `DjangoRequest`, which takes no thread."""
    return django_request(request)


async def load_body(request: HTTPConnection) -> None:
    """Read the body of a request, if it has one that nobody has begun to read, so that no thread waits for the client.

    That the client goes away is told to who asks for the body.
    """
    body = slot_of(request).body
    if body.is_waiting:
        with suppress(UnreadablePostError):
            await body.load()


async def load_form(request: HTTPConnection) -> None:
    """Read the body as `load_body` does if `POST` has what is in it: Django's CSRF check looks there for its token."""
    found = django_request(request)
    if found.method == "POST" and found.content_type in FORMS:
        await load_body(request)


DjangoRequest: TypeAlias = Annotated[FastAPIRequest, Depends(adjango_request)]
"""Django's request as a parameter of an endpoint or a dependency; see `django_request`."""


def make_django_request(scope: Scope, body: bytes = b"") -> ASGIRequest:
    """Return another Django request for an HTTP or WebSocket scope, for what needs no more than its headers.

    Args:
        scope: The ASGI scope.
        body: The whole body, if it is needed.

    Raises:
        Undecodable: A header or the query string cannot be decoded.
    """
    try:
        return ASGIRequest({"method": "GET", **scope}, BytesIO(body))
    except Exception as error:
        raise Undecodable from error


def make_bare_request(scope: Mapping[str, Any]) -> ASGIRequest:
    """Return a Django request for an HTTP or WebSocket scope whose query and type of body do not count.

    Neither is decoded, so that neither keeps an error from being told.
    """
    headers = [header for header in scope.get("headers", ()) if header[0] != b"content-type"]
    return make_django_request({**scope, "query_string": b"", "headers": headers})


def keep_known(scope: Scope, request: HttpRequest) -> None:
    """Have `known_request` return a request for a scope, outside of the place where it was made."""
    scope[_KNOWN] = request


def forget_known(scope: Scope) -> None:
    """Undo `keep_known`: the request knows the scope, and a circle waits for the garbage collector."""
    scope.pop(_KNOWN, None)


def known_request(scope: Scope) -> HttpRequest | None:
    """Return Django's request for a scope, for a log: the one that the request had, or else another one.

    Returns:
        None if the client sent what Django cannot decode.
    """
    if isinstance(known := scope.get(_KNOWN), HttpRequest):
        return known
    try:
        request = make_django_request(scope)
    except Undecodable:
        return None
    # Without a body the form is empty, and yet an error to Django in some charsets.
    cast("Any", request)._mark_post_parse_error()  # noqa: SLF001 (as Django's own reader of forms does)
    return request
