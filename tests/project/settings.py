"""The example's settings, and the probe: an app with the odd routes and views that tests ask for."""

import os

from fastapi_bridge_test.settings import *  # noqa: F403
from fastapi_bridge_test.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    *(["daphne"] if os.environ.get("PROBE_DAPHNE") else []),
    *INSTALLED_APPS,
    "django.contrib.sites",
    "django.contrib.flatpages",
    "axes",
    "guardian",
    "rest_framework.authtoken",
    "rest_framework_simplejwt.token_blacklist",
    "waffle",
    "tests.project.library",
    "tests.project.probe",
    "tests.project.archive",
    "tests.project.workshop",
]
MIDDLEWARE = [
    *MIDDLEWARE,
    "tests.project.probe.middleware.urlconf_by_host",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
]
ROOT_URLCONF = "tests.project.urls"
SITE_ID = 1
SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-tests-" + "x" * 50)
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver", "other.test"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SIMPLE_JWT: dict[str, object] = {}  # its packages cannot have an override taken back where there was nothing
AXES_ENABLED = False  # but in the tests that try it, which put its backend in place too
ANONYMOUS_USER_NAME = None  # guardian would make a user
SILENCED_SYSTEM_CHECKS = ["axes.W002", "axes.W003", "guardian.W001"]
LANGUAGES = [("en", "English"), ("de", "German")]
# Django 6.1 warns of mail without it; earlier versions do not know it.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
