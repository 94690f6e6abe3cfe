"""The client for asynchronous tests."""

import weakref
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast

import httpx
from asgiref.sync import sync_to_async
from django.test.client import Client as DjangoClient

from django_fastapi.contexts import waiting_thread
from django_fastapi.types import ASGIApp

from .borrowing import lend_connections
from .sessions import in_session, keep_session
from .subjects import ClientOptions, Subject
from .transports import AsyncTransport, run_on_test_thread
from .websockets import AsyncWebSocketSession

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

T = TypeVar("T")


class AsyncClient(httpx.AsyncClient):
    """An `httpx.AsyncClient` of the application, for `async def` tests on asyncio.

    In an asynchronous method of Django's test cases, synchronous work of the application is done on the thread that
    waits for the test: Django has the test's connections and transaction there, and its own ORM calls.

    Under AnyIO's pytest plugin or pytest-asyncio there is no such thread. There the connections of the thread of the
    event loop, which hold the test's transaction, are lent to the one thread on which asgiref makes the ORM calls of
    the test, and the application does its synchronous work on that thread as well. Enter the client (`async with`)
    before the first ORM call of the test, or use the fixture `async_api_client`, which does so. What this cannot give:

    - two requests at once do their synchronous work in turn, on one connection: no test of locks or races;
    - `async def` fixtures see the test's transaction only when the client was entered before them;
    - other threads (`asyncio.to_thread`, `thread_sensitive=False`) have connections of their own;
    - `assertNumQueries` and its like refuse to work in a coroutine: `acapture_queries` counts instead.

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
        self._take_connections_back: Callable[[], object] | None = None
        super().__init__(transport=AsyncTransport(self._subject.open_exchange), base_url=base_url, **options)
        client = weakref.proxy(self)  # or only the garbage collector would end what was dropped

        async def keep(response: httpx.Response) -> None:
            keep_session(client.cookies, response)

        self.event_hooks["response"].insert(0, keep)

    @property
    def app(self) -> ASGIApp:
        """The application under test."""
        return self._subject.app

    async def __aenter__(self) -> Self:
        """Lend the connections and begin the lifespan, unless another client of the application has."""
        self._lend_connections()
        await run_on_test_thread(self._subject.begin())
        return await super().__aenter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close the client, end the lifespan if this is the last one, and take the connections back."""
        await super().__aexit__(exc_type, exc_value, traceback)
        await self._end()

    async def aclose(self) -> None:
        """Close the client, end the lifespan if this is the last one, and take the connections back."""
        await super().aclose()
        await self._end()

    @asynccontextmanager
    async def websocket_connect(
        self, url: str, subprotocols: Sequence[str] = (), **options: Any
    ) -> AsyncGenerator[AsyncWebSocketSession]:
        """Open a WebSocket for the length of the block.

        Args:
            url: Absolute, with http(s), or relative.
            subprotocols: Those to offer.
            **options: `headers`, `params` and what else `httpx.AsyncClient.build_request` takes.

        Raises:
            WebSocketDenied: The application did not accept it.
            Exception: What the application did not catch.
        """
        self._lend_connections()
        request = self.build_request("GET", url, **options)
        session = await run_on_test_thread(self._subject.open_websocket(request, subprotocols))
        try:
            yield session
        except BaseException:
            await session.abandon()
            raise
        await session.end()

    def override(self, replacements: Mapping[Callable[..., Any], Callable[..., Any]]) -> AbstractContextManager[None]:
        """Replace dependencies within a block: `with client.override({current_user: lambda: ada}):`.

        Args:
            replacements: As in FastAPI's `dependency_overrides`; for the whole site, in every one of its APIs.
        """
        return self._subject.overridden(replacements)

    async def alogin(self, **credentials: Any) -> bool:
        """Log in with what the authentication backends take; return whether one of them knows the credentials."""
        return await self._in_session(lambda django_client: django_client.login(**credentials))

    async def aforce_login(self, user: "AbstractBaseUser", backend: str | None = None) -> None:
        """Log a user in, whatever the credentials are.

        Args:
            user: The user, of the project's model.
            backend: Dotted path of the authentication backend; None is the first one.
        """
        await self._in_session(lambda django_client: django_client.force_login(cast("Any", user), backend))

    async def alogout(self) -> None:
        """End the session, if there is one."""
        await self._in_session(lambda django_client: django_client.logout())

    async def _in_session(self, function: Callable[[DjangoClient], T]) -> T:
        self._lend_connections()
        return await sync_to_async(in_session)(self.cookies, self.base_url, function)

    def _lend_connections(self) -> None:
        if self._take_connections_back is None and waiting_thread() is None:
            finalizer = weakref.finalize(self, lend_connections())
            finalizer.atexit = False
            self._take_connections_back = finalizer

    async def _end(self) -> None:
        await run_on_test_thread(self._subject.end())
        if self._take_connections_back is not None:
            self._take_connections_back()
            self._take_connections_back = None
