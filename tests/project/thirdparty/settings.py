"""Settings of a project that uses well-known third-party apps."""

from importlib.util import find_spec

SECRET_KEY = "only-for-tests-" + "x" * 50
DEBUG = False
USE_TZ = True
SITE_ID = 1
STATIC_URL = "static/"
SILENCED_SYSTEM_CHECKS = ["fields.W342"]
ROOT_URLCONF = "django_fastapi.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "guardian.backends.ObjectPermissionBackend"]
WAGTAIL_SITE_NAME = "tests"
WAGTAILADMIN_BASE_URL = "http://testserver"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.flatpages",
    "django.contrib.messages",
    "django.contrib.redirects",
    "django.contrib.sessions",
    "django.contrib.sites",
    "django_fastapi",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.usersessions",
    "guardian",
    "mptt",
    "oauth2_provider",
    "rest_framework",
    "rest_framework.authtoken",
    "simple_history",
    "taggit",
    "treebeard",
    "tests.project.thirdparty",
]
# Heavy ones are read where somebody has installed them.
if find_spec("django_celery_beat"):
    INSTALLED_APPS += ["django_celery_beat"]
if find_spec("wagtail"):
    INSTALLED_APPS += ["modelcluster", "wagtail", "wagtail.admin", "wagtail.contrib.redirects", "wagtail.documents"]
    INSTALLED_APPS += ["wagtail.images", "wagtail.search", "wagtail.users"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
