"""Settings of the project. What differs between the contestants is said here, and why."""

import importlib.util
import os
import secrets
from typing import Any

import dj_database_url

from bench.contestants import DJANGO, OURS


def _database(url: str, contestant: str) -> dict[str, Any]:
    """Return the entry of `DATABASES`: what serves each contestant best."""
    database: dict[str, Any] = {**dj_database_url.parse(url)}
    is_sqlite = database["ENGINE"].endswith("sqlite3")
    # Django's documentation: no persistent connections under ASGI, a pool where the database has one.
    database["CONN_MAX_AGE"] = 0 if contestant == DJANGO else None
    if is_sqlite:
        database["OPTIONS"] = {"init_command": "PRAGMA journal_mode=WAL"}
    else:
        database["OPTIONS"] = {"application_name": contestant}
        if contestant == DJANGO and importlib.util.find_spec("psycopg_pool"):
            database["OPTIONS"]["pool"] = {"min_size": 4, "max_size": 16}
    return database


CONTESTANT = os.environ.get("BENCH_CONTESTANT", "")

DATABASES = {"default": _database(os.environ["BENCH_DATABASE_URL"], CONTESTANT)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["bench.site"] + ["django_fastapi"] * (CONTESTANT == OURS)
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "bench.site.urls"
ALLOWED_HOSTS = ["127.0.0.1"]
SECRET_KEY = secrets.token_urlsafe()
USE_TZ = True
