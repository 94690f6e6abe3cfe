"""What the tests of writing share: the workshop on every database."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connections
from pytest_django import DjangoDbBlocker, Settings

from django_fastapi.threads import Threads
from tests.databases import ALIAS, VENDORS, archive_on
from tests.request_threads import own_threads


class Router:
    """Has everything on the database of the test."""

    def db_for_read(self, model: Any, **_: Any) -> str:
        del model
        return ALIAS

    db_for_write = db_for_read

    def allow_relation(self, *_: Any, **__: Any) -> bool:
        return True


@pytest.fixture(scope="module", params=VENDORS)
def workshop(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """Give the vendor of a database with the tables of the workshop."""
    del django_db_setup
    with django_db_blocker.unblock(), archive_on(request.param, "workshop"):
        yield request.param


@pytest.fixture
def vendor(workshop: str, settings: Settings) -> Iterator[str]:
    """Have all models on that database, empty."""
    settings.DATABASE_ROUTERS = [f"{__name__}.Router"]
    try:
        yield workshop
    finally:
        with connections[ALIAS].constraint_checks_disabled():
            for model in reversed(list(apps.get_app_config("workshop").get_models())):
                model._base_manager.using(ALIAS).all().delete()


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    with own_threads(monkeypatch) as threads:
        yield threads


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    """Give the folder that uploads are kept in."""
    settings.MEDIA_ROOT = str(tmp_path)
    settings.MEDIA_URL = "/media/"
    return tmp_path
