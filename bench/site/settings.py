"""Settings of the project. What differs between the contestants is said here, and why."""

import importlib.util
import os
from typing import Any

import dj_database_url

from bench import visitor
from bench.contestants import BOLT, DJANGO, NINJA, OURS, REST_FRAMEWORK as DRF

CONTESTANT = os.environ.get("BENCH_CONTESTANT", "")


def _database(url: str) -> dict[str, Any]:
    """Return the entry of `DATABASES`: what serves each contestant best."""
    database: dict[str, Any] = {**dj_database_url.parse(url)}
    is_sqlite = database["ENGINE"].endswith("sqlite3")
    # Django's documentation: no persistent connections under ASGI, a pool where the database has one.
    database["CONN_MAX_AGE"] = 0 if DJANGO.key == CONTESTANT else None
    if is_sqlite:
        # Without IMMEDIATE a transaction that reads before it writes fails where another is quicker: Django's
        # documentation, "Database is locked errors".
        database["OPTIONS"] = {"init_command": "PRAGMA journal_mode=WAL", "transaction_mode": "IMMEDIATE"}
    else:
        database["OPTIONS"] = {"application_name": CONTESTANT}
        if DJANGO.key == CONTESTANT and importlib.util.find_spec("psycopg_pool"):
            database["OPTIONS"]["pool"] = {"min_size": 4, "max_size": 16}
    return database


_APPS = {OURS.key: "django_fastapi", BOLT.key: "django_bolt", DRF.key: "rest_framework"}
_URLS = {NINJA.key: "bench.site.with_ninja", DRF.key: "bench.site.with_rest_framework"}

DATABASES = {"default": _database(os.environ["BENCH_DATABASE_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "bench.site"]
INSTALLED_APPS += [_APPS[CONTESTANT]] if CONTESTANT in _APPS else []
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = _URLS.get(CONTESTANT, "bench.site.urls")
ALLOWED_HOSTS = ["127.0.0.1"]
SECRET_KEY = visitor.SECRET_KEY
FASTAPI_AUTH = {
    "SCHEMES": ["django_fastapi.auth.SessionAuth"],
    "JWT": {"KEYS": {"bench": visitor.TOKEN_KEY}, "REFRESH_LIFETIME": None},
}
USE_TZ = True
BOLT_API = ["bench.site.with_bolt:api"]
REST_FRAMEWORK = {  # no more than the rows need
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
