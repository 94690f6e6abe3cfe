"""The `FASTAPI_*` settings: names, defaults, what a right value is, and how to read one."""

import functools
import ipaddress
import itertools
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from django.conf import settings as django_settings

from .exceptions import ConfigurationError

T = TypeVar("T")

_MOST_THREADS = 10_000
_DOCS_PATH = re.compile(r"/[^/{}?#][^{}?#]*")

DOCS_PUBLIC = "public"
DOCS_STAFF = "staff"
DOCS_OFF = "off"

UNIX_SOCKET = "unix"
"""What stands for a peer without an address in `FASTAPI_TRUSTED_PROXIES`."""


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One optional setting of the project.

    Args:
        name: The name in the project's settings module.
        default: The value when the project does not set it.
        expected: What a right value is, in words for the person who has to correct it.
        accepts: Whether a value is right.
    """

    name: str
    default: T
    expected: str
    accepts: Callable[[object], bool]

    def get(self) -> T:
        """Return the project's value, or the default.

        Raises:
            ConfigurationError: The value is wrong.
        """
        value: object = getattr(django_settings, self.name, self.default)
        if not self.accepts(value):
            raise ConfigurationError(self.complaint(value))
        return cast("T", value)

    def is_right(self) -> bool:
        """Return whether the project's value is right, or the default is used."""
        return self.accepts(getattr(django_settings, self.name, self.default))

    def complaint(self, value: object) -> str:
        """Return the sentence that says why `value` is wrong."""
        return f"{self.name} must be {self.expected}, not {value!r}."


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_dict(value: object) -> bool:
    return isinstance(value, dict)


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in cast("Sequence[object]", value))


def _is_number_of_threads(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_THREADS


def _is_timeout(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= threading.TIMEOUT_MAX


def _is_dotted_path(value: object) -> bool:
    return value is None or (isinstance(value, str) and "." in value and all(map(str.isidentifier, value.split("."))))


def _is_list_of_module_names(value: object) -> bool:
    return _is_list_of_text(value) and all(
        all(map(str.isidentifier, name.split("."))) for name in cast("Sequence[str]", value)
    )


def _is_root_path(value: object) -> bool:
    return isinstance(value, str) and (value == "" or (value.startswith("/") and not value.endswith("/")))


def _is_url_path(value: object) -> bool:
    return value is None or (isinstance(value, str) and _DOCS_PATH.fullmatch(value) is not None)


def _is_docs_access(value: object) -> bool:
    return value in (DOCS_PUBLIC, DOCS_STAFF, DOCS_OFF)


def _is_list_of_proxies(value: object) -> bool:
    return _is_list_of_text(value) and all(map(_is_proxy, cast("Sequence[str]", value)))


def _is_name_of_cache(value: object) -> bool:
    return isinstance(value, str) and value in django_settings.CACHES


@functools.lru_cache(maxsize=64)
def _is_proxy(value: str) -> bool:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        return value == UNIX_SOCKET
    return True


_URL_PATH = 'a path that begins with one "/" and has none of "{}?#" in it, or None to leave the page out'
_TEXT = "a string that is not empty"  # FastAPI takes no other
_WORDS = "a list or tuple of strings"

API: Setting[str | None] = Setting(
    "FASTAPI_API", None, 'the dotted path of a FastAPI instance, such as "project.api.app", or None', _is_dotted_path
)
TITLE: Setting[str] = Setting("FASTAPI_TITLE", "Django FastAPI", _TEXT, _is_text)
VERSION: Setting[str] = Setting("FASTAPI_VERSION", "unknown", _TEXT, _is_text)
ROOT_PATH: Setting[str] = Setting(
    "FASTAPI_ROOT_PATH", "", 'empty, or a path that begins with "/" and does not end with one', _is_root_path
)
CORS_ENABLED: Setting[bool] = Setting("FASTAPI_CORS_ENABLED", default=False, expected="True or False", accepts=_is_bool)
CORS_ALLOW_ORIGINS: Setting[Sequence[str]] = Setting("FASTAPI_CORS_ALLOW_ORIGINS", ["*"], _WORDS, _is_list_of_text)
CORS_ALLOW_CREDENTIALS: Setting[bool] = Setting(
    "FASTAPI_CORS_ALLOW_CREDENTIALS", default=True, expected="True or False", accepts=_is_bool
)
CORS_ALLOW_METHODS: Setting[Sequence[str]] = Setting("FASTAPI_CORS_ALLOW_METHODS", ["*"], _WORDS, _is_list_of_text)
CORS_ALLOW_HEADERS: Setting[Sequence[str]] = Setting("FASTAPI_CORS_ALLOW_HEADERS", ["*"], _WORDS, _is_list_of_text)
AUTODISCOVER: Setting[bool] = Setting("FASTAPI_AUTODISCOVER", default=True, expected="True or False", accepts=_is_bool)
AUTODISCOVER_MODULES: Setting[Sequence[str]] = Setting(
    "FASTAPI_AUTODISCOVER_MODULES", ["api"], "a list or tuple of module names", _is_list_of_module_names
)
THREADS: Setting[int] = Setting(
    "FASTAPI_THREADS", 16, f"a whole number greater than 0 and not above {_MOST_THREADS}", _is_number_of_threads
)
THREAD_WAIT: Setting[float] = Setting(
    "FASTAPI_THREAD_WAIT",
    10,
    f"a number of seconds greater than 0 and not above {int(threading.TIMEOUT_MAX)}",
    _is_timeout,
)
DJANGO_FALLBACK: Setting[bool] = Setting(
    "FASTAPI_DJANGO_FALLBACK", default=True, expected="True or False", accepts=_is_bool
)
DOCS_URL: Setting[str | None] = Setting("FASTAPI_DOCS_URL", "/docs", _URL_PATH, _is_url_path)
REDOC_URL: Setting[str | None] = Setting("FASTAPI_REDOC_URL", "/redoc", _URL_PATH, _is_url_path)
OPENAPI_URL: Setting[str | None] = Setting("FASTAPI_OPENAPI_URL", "/openapi.json", _URL_PATH, _is_url_path)
DOCS_ACCESS: Setting[str] = Setting(
    "FASTAPI_DOCS_ACCESS", DOCS_PUBLIC, 'one of "public", "staff" and "off"', _is_docs_access
)
PROBLEM_DETAILS: Setting[bool] = Setting(
    "FASTAPI_PROBLEM_DETAILS", default=False, expected="True or False", accepts=_is_bool
)
DOES_NOT_EXIST_404: Setting[bool] = Setting(
    "FASTAPI_DOES_NOT_EXIST_404", default=False, expected="True or False", accepts=_is_bool
)
TRUSTED_PROXIES: Setting[Sequence[str]] = Setting(
    "FASTAPI_TRUSTED_PROXIES",
    [],
    'a list or tuple of IP addresses, of networks such as "10.0.0.0/8" (the address of the network itself), and '
    f'"{UNIX_SOCKET}"',
    _is_list_of_proxies,
)

AUTH: Setting[Mapping[str, Any]] = Setting("FASTAPI_AUTH", {}, "a dictionary", _is_dict)
THROTTLE_CACHE: Setting[str] = Setting("FASTAPI_THROTTLE_CACHE", "default", "a name in CACHES", _is_name_of_cache)
THROTTLE_FAIL_OPEN: Setting[bool] = Setting(
    "FASTAPI_THROTTLE_FAIL_OPEN", default=False, expected="True or False", accepts=_is_bool
)

ALL_SETTINGS: tuple[Setting[Any], ...] = tuple(
    cast("Any", value) for value in list(globals().values()) if type(value) is Setting
)


def equal_docs_urls() -> list[str]:
    """Return a sentence for each two of the docs' URLs that are one, so that a page hides the other."""
    return [
        f"{second.name} must be another path than {first.name}: both are {first.get()!r}."
        for first, second in itertools.combinations((DOCS_URL, REDOC_URL, OPENAPI_URL), 2)
        if first.get() is not None and first.get() == second.get()
    ]
