"""System checks: what is wrong with the settings and the API modules, and the cure."""

import difflib
from typing import Any, cast

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning as CheckWarning
from django.db import connections

from . import settings
from .cors import WILDCARD
from .discovery import discover
from .openapi import has_assets
from .registry import get_registry

_PREFIX = "FASTAPI_"
# By vendor: the options of a pool that say how many connections it has, and the number without any of them.
# In psycopg_pool the least is the most too unless that is given.
_POOL_SIZES = {"postgresql": (("max_size", "min_size"), 4), "oracle": (("max",), 2)}


def check_settings(**_: Any) -> list[CheckMessage]:
    """Return what is wrong with the `FASTAPI_*` settings."""
    errors = _wrong_values()
    if errors:
        return [*errors, *_unknown_names()]
    return [
        *_unknown_names(),
        *_wildcard_with_credentials(),
        *(Error(complaint, id="django_fastapi.E003") for complaint in settings.equal_docs_urls()),
        *_docs_without_means(),
        *_narrow_pools(),
    ]


def check_routes(**_: Any) -> list[CheckMessage]:
    """Return why the API modules cannot be imported, if they cannot.

    This is a warning, since an error of a check stops `migrate`, which may be the cure.
    """
    try:
        discover(get_registry())
        get_registry().get_default()
    except Exception as error:  # noqa: BLE001 (an api.py module may raise anything; the check tells what)
        return [
            CheckWarning(
                f"The API modules cannot be imported: {type(error).__name__}: {error}",
                hint="The server will not start before this is mended.",
                id="django_fastapi.W003",
            )
        ]
    return []


def check_deployment(**_: Any) -> list[CheckMessage]:
    """Return what a production site should not leave as it is (`check --deploy`)."""
    if _wrong_values() or settings.OPENAPI_URL.get() is None or settings.DOCS_ACCESS.get() != settings.DOCS_PUBLIC:
        return []
    return [
        CheckWarning(
            "The API's docs pages and its OpenAPI document are open to everybody.",
            hint='Set FASTAPI_DOCS_ACCESS to "staff" or "off", or silence this check if the API is public.',
            id="django_fastapi.W005",
        )
    ]


def _wrong_values() -> list[CheckMessage]:
    wrong: list[CheckMessage] = []
    for setting in settings.ALL_SETTINGS:
        value = getattr(django_settings, setting.name, setting.default)
        if not setting.accepts(value):
            wrong.append(Error(setting.complaint(value), id="django_fastapi.E001"))
    return wrong


def _unknown_names() -> list[CheckMessage]:
    known = {setting.name for setting in settings.ALL_SETTINGS}
    unknown = sorted(name for name in dir(django_settings) if name.startswith(_PREFIX) and name not in known)
    return [
        CheckWarning(f"There is no setting {name}.", hint=_suggestion(name, known), id="django_fastapi.W001")
        for name in unknown
    ]


def _suggestion(name: str, known: set[str]) -> str | None:
    endings = [other.removeprefix(_PREFIX) for other in known]
    close = difflib.get_close_matches(name.removeprefix(_PREFIX), endings, n=1)
    return f"Did you mean {_PREFIX}{close[0]}?" if close else None


def _wildcard_with_credentials() -> list[CheckMessage]:
    if not (
        settings.CORS_ENABLED.get()
        and settings.CORS_ALLOW_CREDENTIALS.get()
        and WILDCARD in settings.CORS_ALLOW_ORIGINS.get()
    ):
        return []
    return [
        CheckWarning(
            'FASTAPI_CORS_ALLOW_ORIGINS holds "*" while FASTAPI_CORS_ALLOW_CREDENTIALS is True: any site could read '
            "with the user's cookies. No answer will allow credentials.",
            hint="Name the origins that may send credentials, or set FASTAPI_CORS_ALLOW_CREDENTIALS to False.",
            id="django_fastapi.W002",
        )
    ]


def _narrow_pools() -> list[CheckMessage]:
    """Compare pools with the threads: a thread that finds none of its connections free waits, and may fail."""
    threads = settings.THREADS.get()
    found: list[CheckMessage] = []
    for alias in connections:
        pool: Any = connections.settings[alias].get("OPTIONS", {}).get("pool")
        sizes = _POOL_SIZES.get(connections[alias].vendor) if pool else None
        if sizes is None:
            continue
        names, default = sizes
        options = cast("dict[str, int]", pool) if isinstance(pool, dict) else {}
        size = next((options[name] for name in names if options.get(name)), default)
        if size < threads:
            found.append(
                CheckWarning(
                    f'The connection pool of the database "{alias}" has {size} connections for {threads} threads.',
                    hint=f'Set OPTIONS["pool"] to {{"{names[0]}": {threads}}}, or FASTAPI_THREADS to {size}.',
                    id="django_fastapi.W006",
                )
            )
    return found


def _docs_without_means() -> list[CheckMessage]:
    found: list[CheckMessage] = []
    access = settings.DOCS_ACCESS.get()
    has_pages = bool(settings.DOCS_URL.get() or settings.REDOC_URL.get()) and bool(settings.OPENAPI_URL.get())
    if has_pages and access != settings.DOCS_OFF and not has_assets():
        found.append(
            CheckWarning(
                "The docs pages have no assets.",
                hint='Install them with `pip install "django-fastapi-bridge[docs]"`, or set FASTAPI_DOCS_URL and '
                "FASTAPI_REDOC_URL to None.",
                id="django_fastapi.W004",
            )
        )
    needed = ("django.contrib.auth", "django.contrib.sessions")
    missing = [app for app in needed if not apps.is_installed(app)]
    if access == settings.DOCS_STAFF and missing:
        found.append(
            Error(
                f'FASTAPI_DOCS_ACCESS = "staff" needs {" and ".join(missing)} in INSTALLED_APPS.',
                id="django_fastapi.E002",
            )
        )
    return found
