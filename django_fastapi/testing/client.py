"""The client for synchronous tests."""

import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast

import httpx
from django.contrib.sessions.backends.base import SessionBase
from django.test.client import Client as DjangoClient

from django_fastapi.types import ASGIApp

from .portal import get_portal
from .sessions import in_session, keep_session
from .subjects import ClientOptions, Subject
from .transports import Transport
from .websockets import WebSocketSession

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

T = TypeVar("T")


class Client(httpx.Client):
    """An `httpx.Client` of the application, for synchronous tests of any kind.

    While it waits for an answer, all synchronous work of the application (`def` endpoints and dependencies, the async
    ORM, Django's views and middleware) is done on the test's own thread, with its database connections and its
    transaction: each sees the other's rows, and a rolled back test leaves nothing. What the application runs on further
    threads (`sync_to_async(..., thread_sensitive=False)`, threads of its own) has connections of its own, as under
    Django's test client. Between two calls, for a stream or a WebSocket, synchronous work waits for the next call.

    The application's lifespan begins with the `with` block, or else with the first request, and ends when the last
    client of the application is closed. Unlike a server's, a lifespan's own queries are made in the test's transaction.

    Args:
        app: An ASGI application; None is the whole site, built at its first use and shared by all clients.
        raise_server_exceptions: Whether to raise an exception that the application did not catch, instead of returning
            the answer 500.
        enforce_csrf_checks: Whether to leave out the CSRF token that a page of the site would send.
        base_url: What relative URLs are relative to.
        **options: `headers`, `cookies`, `params`, `auth` and `follow_redirects`, as httpx has them.
    """

    def __init__(
        self,
        app: ASGIApp | None = None,
        *,
        raise_server_exceptions: bool = True,
        enforce_csrf_checks: bool = False,
        base_url: str = "http://testserver",
        **options: Unpack[ClientOptions],
    ) -> None:
        self._subject = Subject(app, raise_server_exceptions, enforce_csrf_checks)
        super().__init__(transport=Transport(self._subject.open_exchange), base_url=base_url, **options)
        client = weakref.proxy(self)  # or only the garbage collector would end what was dropped

        def keep(response: httpx.Response) -> None:
            keep_session(client.cookies, response)

        self.event_hooks["response"].insert(0, keep)

    @property
    def app(self) -> ASGIApp:
        """The application under test."""
        return self._subject.app

    def __enter__(self) -> Self:
        """Begin the lifespan, unless another client of the application has."""
        get_portal().call(self._subject.begin)
        return super().__enter__()

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close the client, and end the lifespan if this is the last one."""
        super().__exit__(exc_type, exc_value, traceback)
        get_portal().call(self._subject.end)

    def close(self) -> None:
        """Close the client, and end the lifespan if this is the last one."""
        super().close()
        get_portal().call(self._subject.end)

    @contextmanager
    def websocket_connect(
        self, url: str, subprotocols: Sequence[str] = (), **options: Any
    ) -> Generator[WebSocketSession]:
        """Open a WebSocket for the length of the block.

        Args:
            url: Absolute, with http(s), or relative.
            subprotocols: Those to offer.
            **options: `headers`, `params` and what else `httpx.Client.build_request` takes.

        Raises:
            WebSocketDenied: The application did not accept it.
            Exception: What the application did not catch.
        """
        portal = get_portal()
        request = self.build_request("GET", url, **options)
        session = portal.call(self._subject.open_websocket, request, subprotocols)
        try:
            yield WebSocketSession(portal, session)
        except BaseException:
            portal.call(session.abandon)
            raise
        portal.call(session.end)

    def override(self, replacements: Mapping[Callable[..., Any], Callable[..., Any]]) -> AbstractContextManager[None]:
        """Replace dependencies within a block: `with client.override({current_user: lambda: ada}):`.

        Args:
            replacements: As in FastAPI's `dependency_overrides`; for the whole site, in every one of its APIs.
        """
        return self._subject.overridden(replacements)

    @property
    def session(self) -> SessionBase:
        """Django's session of the client, made now if there is none; call `save()` on it after changes."""
        return self._in_session(lambda django_client: django_client.session)

    def login(self, **credentials: Any) -> bool:
        """Log in with what the authentication backends take; return whether one of them knows the credentials."""
        return self._in_session(lambda django_client: django_client.login(**credentials))

    def force_login(self, user: "AbstractBaseUser", backend: str | None = None) -> None:
        """Log a user in, whatever the credentials are.

        Args:
            user: The user, of the project's model.
            backend: Dotted path of the authentication backend; None is the first one.
        """
        self._in_session(lambda django_client: django_client.force_login(cast("Any", user), backend))

    def logout(self) -> None:
        """End the session, if there is one."""
        self._in_session(lambda django_client: django_client.logout())

    def _in_session(self, function: Callable[[DjangoClient], T]) -> T:
        return in_session(self.cookies, self.base_url, function)
