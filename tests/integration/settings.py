"""The settings of the test project for a server in a process of its own."""

import os

from tests.project.settings import *  # noqa: F403
from tests.project.settings import FASTAPI_AUTH

STATIC_ROOT = os.environ.get("PROBE_STATIC_ROOT")
WSGI_APPLICATION = os.environ.get("PROBE_WSGI", "django_fastapi.wsgi.application")
FASTAPI_AUTH = {
    **FASTAPI_AUTH,
    "LOGIN_RATE_USERNAME": None,
    "JWT": {"REFRESH_GRACE": int(os.environ.get("PROBE_REFRESH_GRACE", "0"))},
}
FASTAPI_TRUSTED_PROXIES = os.environ.get("PROBE_TRUSTED_PROXIES", "").split()
