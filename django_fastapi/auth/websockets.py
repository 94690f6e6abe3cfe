"""The user of a WebSocket: closing it with a code that says why, and looking again while it is open."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import Depends
from starlette.status import WS_1011_INTERNAL_ERROR
from starlette.websockets import WebSocket, WebSocketDisconnect

from django_fastapi.concurrency import run
from django_fastapi.exceptions import ConfigurationError

from .dependencies import UserDependency, current_user
from .exceptions import NotAuthenticated, NotPermitted
from .requirements import Question, Requirement
from .users import is_active

_logger = logging.getLogger("django_fastapi.auth")


def ws_auth(
    required: UserDependency | Requirement = current_user, *, accept: bool = False, recheck: float | None = None
) -> "WebSocketAuth":
    """Return a dependency that gives the user of a WebSocket.

    ::

        @api.websocket("/news")
        async def news(websocket: WebSocket, user: Annotated[User, Depends(ws_auth(accept=True, recheck=60))]) -> None:
            await websocket.send_text(f"Hello {user}")

    `current_user` and requirements work in WebSockets by themselves, and deny with HTTP 401 or 403 before they accept.
    Scripts in a browser cannot see such an answer.

    Args:
        required: `current_user`, or what the user has to be allowed to.
        accept: Whether to accept first, and then to close with 4401 (nobody is logged in) or 4403 (not permitted).
        recheck: Every how many seconds to see whether the user is still there, active and allowed. If not, the endpoint
            is cancelled and the WebSocket closed with 4401 or 4403.

    Raises:
        ConfigurationError: The seconds are none, or the user comes from a dependency that cannot be asked again.
    """
    source = required.user if isinstance(required, Requirement) else required
    if recheck is not None and not (recheck > 0 and isinstance(source, UserDependency)):
        raise ConfigurationError(
            f"`ws_auth(recheck={recheck!r})`: it takes a number of seconds greater than 0, and a user that comes from "
            "`current_user` or `current_user_by(...)`."
        )
    return WebSocketAuth(required, accept, recheck)


@dataclass(frozen=True, slots=True)
class WebSocketAuth:
    """The dependency behind `ws_auth`: equal by its arguments, so that an override finds it."""

    required: UserDependency | Requirement
    accept: bool
    recheck: float | None

    @property
    def __signature__(self) -> Signature:
        """What FastAPI reads: the WebSocket is accepted before anything else is asked."""
        keyword = Parameter.KEYWORD_ONLY
        accepted = [Parameter("accepted", keyword, annotation=Annotated[Any, Depends(_accept)])] if self.accept else []
        return Signature(
            [
                *accepted,
                Parameter("websocket", keyword, annotation=WebSocket),
                Parameter("user", keyword, annotation=Annotated[Any, Depends(self.required)]),
                *(
                    Parameter(f"object_{number}", keyword, annotation=Annotated[Any, Depends(dependency)])
                    for number, dependency in enumerate(self._objects)
                ),
            ]
        )

    async def __call__(
        self, websocket: WebSocket, user: Any, accepted: None = None, **objects: object
    ) -> AsyncIterator[Any]:
        """Give the user, and look after them while the endpoint runs."""
        del accepted
        source = self.required.user if isinstance(self.required, Requirement) else self.required
        overridden = websocket.app.dependency_overrides
        if self.recheck is None or self.required in overridden or source in overridden:
            yield user
            return
        watch = _Watch(websocket, self.recheck, partial(self._ask_again, websocket, tuple(objects.values())))
        watcher = asyncio.create_task(watch.run())
        try:
            yield user
        except asyncio.CancelledError:
            if not watch.has_ended:
                raise
            watch.endpoint.uncancel()
        finally:
            if not watch.has_ended:
                watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher

    @property
    def _objects(self) -> tuple[Any, ...]:
        return self.required.objects if isinstance(self.required, Requirement) and self.recheck is not None else ()

    async def _ask_again(self, websocket: WebSocket, objects: tuple[object, ...]) -> None:
        """Ask everything once more.

        Raises:
            NotAuthenticated: The credential does not hold any more.
            NotPermitted: The user may not any more.
        """
        required = self.required
        if not isinstance(required, Requirement):
            await required.ask_again(websocket)
            return
        source: Any = required.user
        user = await source.ask_again(websocket)
        question = Question(user, "GET", dict(zip(required.objects, objects, strict=True)))
        if not (is_active(user) and await run(partial(required.is_met, question))):
            raise NotPermitted


class _Watch:
    """Look after the user of a WebSocket, and end it when there is none any more.

    Args:
        websocket: The WebSocket.
        seconds: How long to wait each time.
        ask: Raises if the user is not there or not allowed any more.
    """

    def __init__(self, websocket: WebSocket, seconds: float, ask: Any) -> None:
        self._websocket = websocket
        self._seconds = seconds
        self._ask = ask
        current = asyncio.current_task()
        assert current is not None  # dependencies and endpoint run in a task
        self.endpoint: asyncio.Task[Any] = current
        self.has_ended: bool = False

    async def run(self) -> None:
        """Look again and again, until something is wrong."""
        while (code := await self._look()) is None:
            pass
        self.has_ended = True
        self.endpoint.cancel()  # first: a client that does not read keeps `close` waiting
        with suppress(RuntimeError, WebSocketDisconnect, OSError):  # it may be closed by now
            await self._websocket.close(code)

    async def _look(self) -> int | None:
        """Return the code to close with; None if all is well."""
        await asyncio.sleep(self._seconds)
        try:
            await self._ask()
        except (NotAuthenticated, NotPermitted) as error:
            return error.close_code
        except Exception:
            _logger.exception("It cannot be told whether the user of a WebSocket may go on: it is closed.")
            return WS_1011_INTERNAL_ERROR
        return None


async def _accept(websocket: WebSocket) -> None:
    await websocket.accept()
