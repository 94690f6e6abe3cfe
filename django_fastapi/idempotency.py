"""Requests that may be repeated: a POST with an `Idempotency-Key` is done once, and answered again.

It follows draft-ietf-httpapi-idempotency-key-header-07. What is kept is in Django's cache; with a cache of the class
`DatabaseCache` it is in the database, and with Redis it is shared by all machines.
"""

import hashlib
import logging
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from inspect import Parameter, Signature
from typing import Annotated, Any, Final, TypeAlias

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.cache import caches
from django.db import connections, transaction
from django.db.models import Model
from fastapi import Depends, Header
from fastapi.exceptions import HTTPException
from fastapi.routing import APIRoute
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from .content_types import FORMS
from .exceptions import ConfigurationError, Conflict, Fault, InvalidInput
from .requests import SLOT, RequestSlot
from .types import Receive, Scope, Send

_logger = logging.getLogger("django_fastapi.idempotency")

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"

_CLAIM: Final = "django_fastapi.idempotency.claim"
_ROUTE: Final = "django_fastapi.idempotency.route"
_CREDENTIALS: Final = ("Authorization", "X-API-Key")
_LENGTH: Final = 255
_CHUNK: Final = 2**16
_NOT_KEPT: Final = frozenset({b"set-cookie", b"content-length"})

_BUSY: Final = "A request with this key is being worked on."
_DONE: Final = "A request with this key has been done, and its answer, a stream, was not kept."

_Answer: TypeAlias = tuple[int, list[tuple[bytes, bytes]], bytes] | None
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def idempotent(
    *, by: Callable[..., Any] | None = None, cache: str = "default", lifetime: int = 86_400, busy: int = 300
) -> Any:
    """Return a dependency that lets a request with an `Idempotency-Key` be done once.

    ::

        router = APIRouter(route_class=IdempotentRoute)

        @router.post("/orders", dependencies=[Depends(permission_required("shop.add_order")), idempotent()])
        def order(data: OrderIn) -> OrderOut: ...

    A repeated request gets the first answer, with the header `Idempotent-Replayed`; the same key with another body is
    422; a request that comes while the first is being worked on is 409. Answers of 500 and above, and exceptions, are
    not kept, nor is what was rolled back: the request can be tried again. Of a stream it is kept that it was done. It
    comes after the dependencies that say whether the user may do this.

    Args:
        by: A dependency that returns whose keys they are. Without one they are those of the user whom a dependency of
            the route has found before; where there is none, of whoever sends the same `Authorization`, `X-API-Key` and
            cookies. An API that knows its clients by anything else has to name it here.
        cache: The alias of the cache that keeps the answers.
        lifetime: How long an answer is kept, in seconds.
        busy: How long a request may be worked on before another may begin, in seconds.

    Returns:
        A `fastapi.Depends`, for routes whose class is `IdempotentRoute`.
    """
    return Depends(_Idempotent(by, cache, lifetime, busy))


@dataclass(slots=True)
class _Claim:
    """The right to do a request, until its answer is kept."""

    key: str
    fingerprint: str
    cache: str
    lifetime: int
    is_kept: bool = False

    def keep(self, response: Response) -> None:
        answer: _Answer = None
        if hasattr(response, "body"):
            headers = [(name, value) for name, value in response.raw_headers if name not in _NOT_KEPT]
            answer = (response.status_code, headers, bytes(response.body))
        # After the commit: what is rolled back has not been done.
        aliases = [one.alias for one in connections.all(initialized_only=True) if one.in_atomic_block]
        transaction.on_commit(partial(self._set, answer), using=aliases[0] if aliases else None, robust=True)

    def _set(self, answer: _Answer) -> None:
        caches[self.cache].set(self.key, (self.fingerprint, answer, True), self.lifetime)
        self.is_kept = True

    def release(self) -> None:
        caches[self.cache].delete(self.key)


class _Repeated(Exception):
    """The request has been answered before."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


@dataclass(frozen=True)  # no slots: FastAPI finds the signature in the dictionary of the instance
class _Idempotent:
    by: Callable[..., Any] | None
    cache: str
    lifetime: int
    busy: int

    def __post_init__(self) -> None:
        keyword = Parameter.KEYWORD_ONLY
        words = "Any text of the client's own: a request that is repeated with it is not done twice."
        header = Header(alias=HEADER, min_length=1, max_length=_LENGTH, description=words)
        parameters = [
            Parameter("request", keyword, annotation=Request),
            Parameter("key", keyword, annotation=Annotated[str | None, header], default=None),
        ]
        if self.by is not None:
            parameters.append(Parameter("owner", keyword, annotation=Annotated[Any, Depends(self.by)]))
        object.__setattr__(self, "__signature__", Signature(parameters))

    async def __call__(self, *, request: Request, key: str | None, owner: Any = None) -> None:
        if key is None:
            return
        if _ROUTE not in request.scope:
            raise ConfigurationError(
                "`idempotent()` needs a route that keeps answers: `APIRouter(route_class=IdempotentRoute)`."
            )
        whose = _whose(request) if owner is None else _named(owner)
        place = _digest([whose.encode(), request.method.encode(), request.url.path.encode(), key.encode()])
        claim = _Claim(f"django_fastapi.idempotency.{place}", await _fingerprint(request), self.cache, self.lifetime)
        await sync_to_async(self._claim)(claim)
        request.scope[_CLAIM] = claim

    def _claim(self, claim: _Claim) -> None:
        try:
            cache = caches[claim.cache]
            if cache.add(claim.key, (claim.fingerprint, None, False), self.busy):
                return
            kept: Any = cache.get(claim.key)
        except Exception as error:  # whatever a cache raises when it is away
            _logger.exception("The cache %r does not answer.", claim.cache)
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, headers={"Retry-After": "5"}) from error
        fingerprint, answer, is_done = kept or (claim.fingerprint, None, False)
        if fingerprint != claim.fingerprint:
            raise InvalidInput([_fault("This key has been used with another request.", "key_reused")])
        if answer is None:
            raise Conflict([_fault(_DONE, "done") if is_done else _fault(_BUSY, "in_progress")])
        status, headers, body = answer
        response = Response(body, status)
        length = [] if status == HTTPStatus.NO_CONTENT else [(b"content-length", str(len(body)).encode())]
        response.raw_headers = [*headers, *length]
        response.headers[REPLAYED] = "true"
        raise _Repeated(response)


class IdempotentRoute(APIRoute):
    """A route that keeps its answers for `idempotent()`; without that dependency it is a route like any other."""

    def get_route_handler(self) -> _Handler:
        """Return FastAPI's handler, with the answers kept."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            request.scope[_ROUTE] = True
            try:
                response = await handler(request)
            except _Repeated as repeated:
                return repeated.response
            except BaseException:
                await _release(request.scope)
                raise
            await _keep(request.scope, response)
            return response

        return handle

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; one whose transaction was not committed has not been done."""
        try:
            await super().handle(scope, receive, send)
        finally:
            await _release(scope)


async def _keep(scope: Scope, response: Response) -> None:
    """Keep the answer of a request that was done."""
    claim: _Claim | None = scope.get(_CLAIM)
    if claim is None or response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        await _release(scope)
        return
    try:
        await sync_to_async(claim.keep)(response)
    except Exception:  # the work is done, and its answer is right
        _logger.exception("The cache %r does not answer.", claim.cache)


async def _release(scope: Scope) -> None:
    """Give others the right to do a request, unless its answer is kept."""
    claim: _Claim | None = scope.pop(_CLAIM, None)
    if claim is None or claim.is_kept:
        return
    try:
        await sync_to_async(claim.release)()
    except Exception:
        _logger.exception("The cache %r does not answer.", claim.cache)


def _fault(message: str, kind: str) -> Fault:
    return Fault(("header", HEADER), message, kind)


def _named(owner: Any) -> str:
    if (pk := getattr(owner, "pk", None)) is None:
        return str(owner)
    return f"{owner._meta.label_lower if isinstance(owner, Model) else type(owner).__qualname__}:{pk}"


def _whose(request: Request) -> str:
    """Return whose keys a request's are: those of its user, or of whoever has the same credentials."""
    slot: object = request.scope.get(SLOT)
    if isinstance(slot, RequestSlot) and slot.user is not None:
        return _named(slot.user)
    headers = [request.headers.get(name, "") for name in _CREDENTIALS]
    cookies = sorted(one for one in request.cookies.items() if one[0] != settings.CSRF_COOKIE_NAME)
    return repr((headers, cookies))


async def _fingerprint(request: Request) -> str:
    """Return a digest of all that a request says."""
    query = request.url.query.encode()
    if not request.headers.get("Content-Type", "").startswith(FORMS):
        return _digest([query, await request.body()])
    parts = [query]
    for name, value in (await request.form()).multi_items():
        parts.append(name.encode())
        if isinstance(value, UploadFile):
            parts += [str(value.filename).encode(), await sync_to_async(_digest_of_file)(value)]
        else:
            parts.append(value.encode())
    return _digest(parts)


def _digest_of_file(upload: UploadFile) -> bytes:
    digest = hashlib.sha256()
    for chunk in _chunks(upload):
        digest.update(chunk)
    upload.file.seek(0)
    return digest.digest()


def _chunks(upload: UploadFile) -> Iterator[bytes]:
    while chunk := upload.file.read(_CHUNK):
        yield chunk


def _digest(parts: list[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
