"""Dependencies replaced for a while."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI

from django_fastapi.registry import get_registry
from django_fastapi.types import ASGIApp


@contextmanager
def overridden(app: ASGIApp, replacements: Mapping[Callable[..., Any], Callable[..., Any]]) -> Generator[None]:
    """Replace dependencies within the block, in `app` or in every API of the site; then restore what was there.

    Args:
        app: The application under test.
        replacements: As in FastAPI's `dependency_overrides`.
    """
    apis = [app] if isinstance(app, FastAPI) else [registered.api for registered in get_registry().all()]
    before = [(api.dependency_overrides, dict(api.dependency_overrides)) for api in apis]
    for overrides, _ in before:
        overrides.update(replacements)
    try:
        yield
    finally:
        for overrides, previous in before:
            overrides.clear()
            overrides.update(previous)
