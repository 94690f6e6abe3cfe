"""The named FastAPI applications of a project: one default, and those put under a prefix."""

import re
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, cast

from django.apps import apps
from fastapi import FastAPI

from .exceptions import APIAlreadyRegistered, ConfigurationError, DefaultAPIAlreadyRegistered

DEFAULT_NAME = "api"

_TOO_LATE = (
    "the site was built before and does not serve this API. Register it in an API module, such as an app's `api.py`, "
    "or in another module that is imported before the application is made."
)

_PREFIX = re.compile(r"(/[^/{}?#\s]+)+")


@dataclass(frozen=True, slots=True)
class RegisteredAPI:
    """A FastAPI application and where it is served.

    Args:
        name: Its name, which is also the namespace of its routes in `reverse()`.
        prefix: The path it is served under: empty, or "/" and more without a slash at the end.
        api: The application.
    """

    name: str
    prefix: str
    api: FastAPI


_Registrations = tuple[FastAPI | None, tuple[RegisteredAPI, ...]]


class APIRegistry:
    """The applications of one project. The app config of this package owns the one in use.

    Args:
        make_default: Makes the default application when it is first asked for and none was set.
    """

    def __init__(self, make_default: Callable[[], FastAPI]) -> None:
        self._make_default = make_default
        self._default: FastAPI | None = None
        self._registered: list[RegisteredAPI] = []
        self._lock = threading.RLock()
        self._is_making = False
        self._services = 0
        self.is_discovered: bool = False
        self.is_being_discovered: bool = False
        self.is_default_made: bool = False

    def get_default(self) -> FastAPI:
        """Return the default application, made now if there is none yet.

        Raises:
            ConfigurationError: `FASTAPI_API` names a module that asks for the default application itself.
        """
        with self._lock:
            if self._default is None:
                self._default = self._made()
                self.is_default_made = True
            return self._default

    def _made(self) -> FastAPI:
        if self._is_making:
            raise ConfigurationError(
                "The module that FASTAPI_API names uses `django_fastapi.api` while it is imported; "
                "use its own FastAPI instance there."
            )
        self._is_making = True
        before = self._registry
        try:
            return self._make_default()
        except Exception:
            self._registry = before
            raise
        finally:
            self._is_making = False

    @property
    def _registry(self) -> _Registrations:
        """What was set and registered: Django's `autodiscover_modules` puts it back when a module fails.

        That module is going to be imported again. A default that was made stays, since other modules hold it.
        """
        return self._default, tuple(self._registered)

    @_registry.setter
    def _registry(self, before: _Registrations) -> None:
        with self._lock:
            default, registered = before
            self._default = self._default if self.is_default_made else default
            self._registered = list(registered)

    def set_default(self, api: FastAPI) -> None:
        """Make `api` the default application.

        Raises:
            DefaultAPIAlreadyRegistered: There is a default already, set or made at its first use.
            ConfigurationError: `api` is not a FastAPI application.
        """
        _require_fastapi(api)
        with self._lock:
            if self._default is not None:
                raise DefaultAPIAlreadyRegistered(
                    "There is a default API already. Call set_default_api() once, before anything uses "
                    "`django_fastapi.api`, or name the application in FASTAPI_API."
                )
            self._default = api

    def register(self, api: FastAPI, name: str, prefix: str) -> None:
        """Serve `api` under `prefix` too.

        Raises:
            APIAlreadyRegistered: The name or the prefix is taken.
            ConfigurationError: An argument cannot be used, or a site runs that would not serve it; the message says
                which and why.
        """
        _require_fastapi(api)
        if not name.isidentifier():
            raise ConfigurationError(f"register_api(name={name!r}): the name must be a Python identifier.")
        if not _PREFIX.fullmatch(prefix):
            raise ConfigurationError(
                f'register_api(prefix={prefix!r}): the prefix must begin with "/", not end with one, '
                "and hold neither parameters nor white space."
            )
        with self._lock:
            for other in self._registered:
                if prefix == other.prefix:
                    raise APIAlreadyRegistered(f"The prefix {prefix!r} is taken by the API {other.name!r}.")
            if name == DEFAULT_NAME or any(name == other.name for other in self._registered):
                raise APIAlreadyRegistered(f"There is an API of the name {name!r} already.")
            if self._services:
                raise ConfigurationError(f"register_api(name={name!r}): {_TOO_LATE}")
            self._registered.append(RegisteredAPI(name, prefix, api))

    @contextmanager
    def serving(self, served: Sequence[RegisteredAPI]) -> Generator[None]:
        """Refuse all further APIs within the block, since a site that is built serves no others.

        Args:
            served: What the site serves.

        Raises:
            ConfigurationError: Another one was registered after the site had been built.
        """
        with self._lock:
            if late := [one.name for one in self.all() if one not in served]:
                raise ConfigurationError(f"register_api(name={late[0]!r}): {_TOO_LATE}")
            self._services += 1
        try:
            yield
        finally:
            with self._lock:
                self._services -= 1

    def all(self) -> list[RegisteredAPI]:
        """Return every application, the longest prefix first, the default one last."""
        with self._lock:
            longest_first = sorted(self._registered, key=lambda registered: len(registered.prefix), reverse=True)
            return [*longest_first, RegisteredAPI(DEFAULT_NAME, "", self.get_default())]


class _OwnsRegistry(Protocol):
    registry: APIRegistry


def get_registry() -> APIRegistry:
    """Return the registry of this project.

    Raises:
        ConfigurationError: "django_fastapi" is not in `INSTALLED_APPS`.
        django.core.exceptions.AppRegistryNotReady: Django is not set up yet.
    """
    try:
        return cast("_OwnsRegistry", apps.get_app_config("django_fastapi")).registry
    except LookupError as error:
        raise ConfigurationError('Add "django_fastapi" to INSTALLED_APPS.') from error


def get_default_api() -> FastAPI:
    """Return the project's default FastAPI application.

    It is the one given to `set_default_api`, else the one that `FASTAPI_API` names, else one made from the settings.
    """
    return get_registry().get_default()


def set_default_api(api: FastAPI) -> None:
    """Make `api` the default application; call it once, before anything uses `django_fastapi.api`.

    Args:
        api: A FastAPI application of the project's own.

    Raises:
        DefaultAPIAlreadyRegistered: There is a default already.
    """
    get_registry().set_default(api)


def register_api(api: FastAPI, *, name: str, prefix: str) -> None:
    """Serve another FastAPI application beside the default one, with its own docs and lifespan.

    Args:
        api: The application.
        name: Its name: a Python identifier, the namespace of its routes in `reverse()`.
        prefix: The path it is served under, such as "/v2". The longest prefix that fits a request wins.

    Raises:
        APIAlreadyRegistered: The name or the prefix is taken.
        ConfigurationError: An argument cannot be used, or the site runs already.
    """
    get_registry().register(api, name, prefix)


def _require_fastapi(api: object) -> None:
    if not isinstance(api, FastAPI):
        raise ConfigurationError(f"Expected a FastAPI application, not {type(api).__name__}: {api!r}.")
