"""System checks: what is wrong with `FASTAPI_AUTH` and with what routes ask of their users, and the cure."""

import difflib
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.core.checks import CheckMessage, Error, Info, Warning as CheckWarning
from fastapi.routing import RouteContext

from django_fastapi import settings as core_settings, visitors
from django_fastapi.discovery import discover
from django_fastapi.openapi import is_docs_route
from django_fastapi.registry import get_registry

from .routes import RouteAuth, iter_routes, read_auth
from .schemes import loading
from .schemes.loading import load_schemes
from .schemes.session import SessionAuth
from .settings import complaints, get_auth_settings, has_users


def check_auth_settings(**_: Any) -> list[CheckMessage]:
    """Return what is wrong with the keys and values of `FASTAPI_AUTH`."""
    if not core_settings.AUTH.is_right():
        return []  # `django_fastapi.E001` says so
    found = complaints() or (list(loading.complaints()) if has_users() else [])
    return [Error(message, id="django_fastapi.E020") for message in found]


def check_auth_of_routes(**_: Any) -> list[CheckMessage]:
    """Return what is open where a user is required, and what is required that nobody can have."""
    if not has_users():
        return []
    registry = get_registry()
    try:
        discover(registry)
        routes = [(one.prefix + path, route) for one in registry.all() for path, route in iter_routes(one.api)]
        found = [(path, route, read_auth(route)) for path, route in routes]
        required = get_auth_settings().required
        load_schemes()
    except Exception:  # noqa: BLE001 (an api.py module may raise anything; `django_fastapi.W003` says so)
        return []
    asked = [(path, one) for path, _, one in found if one is not None]
    return [*(_open_routes(found) if required else ()), *_unknown_permissions(asked), *_missing_middleware(asked)]


def _open_routes(found: list[tuple[str, RouteContext, RouteAuth | None]]) -> Iterator[CheckMessage]:
    paths = sorted(
        {
            f"{' '.join(sorted(route.methods or ('WebSocket',)))} {path}"
            for path, route, asked in found
            if (asked.is_public if asked else not is_docs_route(route.original_route))
        }
    )
    if paths:
        yield Info(
            f"Open to everybody, though FASTAPI_AUTH['REQUIRED'] is on: {', '.join(paths)}.", id="django_fastapi.I021"
        )


def _unknown_permissions(asked: list[tuple[str, RouteAuth]]) -> Iterator[CheckMessage]:
    known = set(_declared_permissions())
    for path, route in asked:
        required = {name for requirement in route.requirements for name in requirement.all_permissions}
        for name in sorted(required - known):
            close = difflib.get_close_matches(name, known, n=1)
            yield CheckWarning(
                f"{path} requires the permission {name!r}, which no model declares: only superusers have it.",
                hint=f"Did you mean {close[0]!r}?" if close else "Name one of a model's permissions.",
                id="django_fastapi.W022",
            )


def _declared_permissions() -> Iterator[str]:
    for model in apps.get_models():
        options = model._meta
        for action in options.default_permissions:
            yield f"{options.app_label}.{get_permission_codename(action, options)}"
        for codename, _ in options.permissions:
            yield f"{options.app_label}.{codename}"


def _missing_middleware(asked: list[tuple[str, RouteAuth]]) -> Iterator[CheckMessage]:
    schemes = {scheme for _, route in asked for user in route.users for scheme in user.resolved_schemes}
    if any(isinstance(scheme, SessionAuth) for scheme in schemes) and not visitors.find(visitors.SESSION):
        yield Error(
            "Routes of an API authenticate by Django's session, and there is none.",
            hint=f"Add {visitors.SESSION!r} to MIDDLEWARE, or take SessionAuth out of FASTAPI_AUTH['SCHEMES'].",
            id="django_fastapi.E023",
        )
