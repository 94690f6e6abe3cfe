"""The test project with the routes for load and faults; what a test varies comes from the environment.

- `LOAD_THREADS`, `LOAD_THREAD_WAIT`: the settings `FASTAPI_THREADS` and `FASTAPI_THREAD_WAIT`.
- `LOAD_NAME`: the `application_name` of the server's connections to PostgreSQL.
- `LOAD_CONN_MAX_AGE`: seconds, or "None".
- `LOAD_HEALTH_CHECKS`, `LOAD_ATOMIC_REQUESTS`, `LOAD_POOL`: "1" for on.
- `LOAD_LISTENER`: "1" for a receiver of `request_started` that is not Django's.
"""

import os
from typing import Any

from tests.project.settings import *  # noqa: F403
from tests.project.settings import DATABASES, INSTALLED_APPS

# The probe's second API has no `atomic_requests()`, and so no place beside ATOMIC_REQUESTS.
INSTALLED_APPS = ["tests.project.loadprobe" if app == "tests.project.probe" else app for app in INSTALLED_APPS]
ROOT_URLCONF = "tests.project.loadprobe.urls"
LANGUAGES = [("en", "English"), ("de", "German"), ("fr", "French")]
LANGUAGE_CODE = "en"

FASTAPI_THREADS = int(os.environ.get("LOAD_THREADS", "12"))
FASTAPI_THREAD_WAIT = float(os.environ.get("LOAD_THREAD_WAIT", "30"))

_max_age = os.environ.get("LOAD_CONN_MAX_AGE", "60")
_database: dict[str, Any] = DATABASES["default"]
_database["CONN_MAX_AGE"] = None if _max_age == "None" else int(_max_age)
_database["CONN_HEALTH_CHECKS"] = os.environ.get("LOAD_HEALTH_CHECKS") == "1"
_database["ATOMIC_REQUESTS"] = os.environ.get("LOAD_ATOMIC_REQUESTS") == "1"
if _database["ENGINE"] == "django.db.backends.postgresql":
    _database["OPTIONS"] = {"application_name": os.environ.get("LOAD_NAME", "load")}
    if os.environ.get("LOAD_POOL") == "1":
        _database["OPTIONS"]["pool"] = True
else:
    _database["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
    }
