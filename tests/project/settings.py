"""The example's settings, and the probe: an app with the odd routes and views that tests ask for."""

import os

from fastapi_bridge_test.settings import *  # noqa: F403
from fastapi_bridge_test.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    *(["daphne"] if os.environ.get("PROBE_DAPHNE") else []),
    *INSTALLED_APPS,
    "django.contrib.sites",
    "django.contrib.flatpages",
    "tests.project.probe",
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
LANGUAGES = [("en", "English"), ("de", "German")]
# Django 6.1 warns of mail without it; earlier versions do not know it.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
