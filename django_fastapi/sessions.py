"""Sessions that are kept in a cache, which may be away.

Django's engine `cache` takes a cache that fails for one that does not have the session: the visitor would go on as
nobody, and the answer would delete the cookie. Other failures are exceptions of the cache's driver.
"""

import functools
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.contrib.sessions.backends.cached_db import SessionStore as CachedDBStore

from .exceptions import SessionsUnavailable

if TYPE_CHECKING:
    from django.core.cache import BaseCache

_PROBE: Final = "django_fastapi.sessions"


def tell_outages(session: SessionBase) -> None:
    """Have a session raise `SessionsUnavailable` if it is kept in a cache that does not answer.

    Args:
        session: Of any engine; those that have nothing to do with a cache stay as they are.
    """
    if isinstance(session, CacheStore | CachedDBStore) and not isinstance(session, _Outspoken):
        session.__class__ = _outspoken(type(session))


@functools.lru_cache(maxsize=8)
def _outspoken(store: type[SessionBase]) -> Any:
    return type(store.__name__, (_Outspoken, store), {"__module__": store.__module__})


class _Outspoken(SessionBase):
    """A session in a cache, in front of the engine's own class: all that it does comes to these four methods."""

    _cache: "BaseCache"
    cache_key_prefix: str

    def load(self) -> dict[str, Any]:
        sent = self.session_key
        with self._telling():
            data: dict[str, Any] = super().load()
        if self.session_key != sent:
            self._require_absence(sent)
        return data

    async def aload(self) -> dict[str, Any]:
        sent = self.session_key
        async with self._atelling():
            data: dict[str, Any] = await super().aload()
        if self.session_key != sent:
            await sync_to_async(self._require_absence)(sent)
        return data

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 (Django's signature)
        with self._telling():
            super().save(must_create)

    async def asave(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 (Django's signature)
        async with self._atelling():
            await super().asave(must_create)

    def exists(self, session_key: str) -> bool:
        with self._telling():
            return super().exists(session_key)

    async def aexists(self, session_key: str) -> bool:
        async with self._atelling():
            return await super().aexists(session_key)

    def delete(self, session_key: str | None = None) -> None:
        with self._telling():
            super().delete(session_key)

    async def adelete(self, session_key: str | None = None) -> None:
        async with self._atelling():
            await super().adelete(session_key)

    @contextmanager
    def _telling(self) -> Generator[None]:
        try:
            yield
        except (CreateError, UpdateError):
            raise
        except Exception as error:
            self._tell(error)
            raise

    @asynccontextmanager
    async def _atelling(self) -> AsyncGenerator[None]:
        try:
            yield
        except (CreateError, UpdateError):
            raise
        except Exception as error:
            await sync_to_async(self._tell)(error)
            raise

    def _tell(self, error: Exception) -> None:
        """Raise in the place of an error if the cache does not answer: it may be another one, or the error of a key."""
        try:
            self._cache.get(_PROBE)
        except Exception:  # noqa: BLE001 (each driver has its own)
            raise SessionsUnavailable from error

    def _require_absence(self, session_key: str | None) -> None:
        """See that the cache has no session of a key, after the engine has dropped the key."""
        self._session_key = session_key  # without it the answer would delete the cookie
        try:
            found = self._cache.get(f"{self.cache_key_prefix}{session_key}")
        except Exception as error:  # noqa: BLE001 (each driver has its own)
            self._tell(error)
            found = None  # the cache answers, but takes no such key (Django ticket 17810)
        if found is not None:
            raise SessionsUnavailable
        self._session_key = None
