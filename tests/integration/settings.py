"""The settings of the test project for a server in a process of its own."""

import os

from tests.project.settings import *  # noqa: F403

STATIC_ROOT = os.environ.get("PROBE_STATIC_ROOT")
WSGI_APPLICATION = os.environ.get("PROBE_WSGI", "django_fastapi.wsgi.application")
