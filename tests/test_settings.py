import threading

import pytest
from pytest_django import Settings

from django_fastapi import settings as fastapi_settings
from django_fastapi.exceptions import ConfigurationError

DEFAULTS = {
    "FASTAPI_API": None,
    "FASTAPI_TITLE": "Django FastAPI",
    "FASTAPI_VERSION": "unknown",
    "FASTAPI_ROOT_PATH": "",
    "FASTAPI_CORS_ENABLED": False,
    "FASTAPI_CORS_ALLOW_ORIGINS": ["*"],
    "FASTAPI_CORS_ALLOW_CREDENTIALS": True,
    "FASTAPI_CORS_ALLOW_METHODS": ["*"],
    "FASTAPI_CORS_ALLOW_HEADERS": ["*"],
    "FASTAPI_AUTODISCOVER": True,
    "FASTAPI_AUTODISCOVER_MODULES": ["api"],
    "FASTAPI_THREADS": 16,
    "FASTAPI_THREAD_WAIT": 10,
    "FASTAPI_DJANGO_FALLBACK": True,
    "FASTAPI_DOCS_URL": "/docs",
    "FASTAPI_REDOC_URL": "/redoc",
    "FASTAPI_OPENAPI_URL": "/openapi.json",
    "FASTAPI_DOCS_ACCESS": "public",
    "FASTAPI_PROBLEM_DETAILS": False,
    "FASTAPI_DOES_NOT_EXIST_404": False,
    "FASTAPI_TRUSTED_PROXIES": [],
    "FASTAPI_AUTH": {},
    "FASTAPI_THROTTLE_CACHE": "default",
    "FASTAPI_THROTTLE_FAIL_OPEN": False,
}


def test_names_and_defaults_are_those_that_existing_projects_use() -> None:
    assert {setting.name: setting.default for setting in fastapi_settings.ALL_SETTINGS} == DEFAULTS


@pytest.mark.parametrize("setting", fastapi_settings.ALL_SETTINGS, ids=lambda setting: setting.name)
def test_every_default_is_a_right_value(setting: fastapi_settings.Setting[object]) -> None:
    assert setting.accepts(setting.default)


def test_a_setting_is_read_when_it_is_asked_for(settings: Settings) -> None:
    settings.FASTAPI_TITLE = "Books"
    assert fastapi_settings.TITLE.get() == "Books"
    del settings.FASTAPI_TITLE
    assert fastapi_settings.TITLE.get() == "Django FastAPI"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API", "no_dot"),
        ("API", "not a path.api"),
        ("API", 3),
        ("TITLE", None),
        ("TITLE", ""),
        ("VERSION", ""),
        ("ROOT_PATH", "api"),
        ("ROOT_PATH", "/api/"),
        ("ROOT_PATH", None),
        ("CORS_ENABLED", "yes"),
        ("CORS_ALLOW_ORIGINS", "https://one.test"),
        ("CORS_ALLOW_ORIGINS", [1]),
        ("AUTODISCOVER", 1),
        ("PROBLEM_DETAILS", "yes"),
        ("DOES_NOT_EXIST_404", 1),
        ("AUTODISCOVER_MODULES", ["api.py", "1"]),
        ("AUTODISCOVER_MODULES", "api"),
        ("DJANGO_FALLBACK", 0),
        ("DOCS_URL", "docs"),
        ("DOCS_URL", "/"),
        ("DOCS_URL", "//docs"),
        ("DOCS_URL", "/{x:nope}"),
        ("REDOC_URL", "/{x}"),
        ("OPENAPI_URL", "/openapi?v=1"),
        ("OPENAPI_URL", ""),
        ("THREADS", 0),
        ("THREADS", True),
        pytest.param("THREADS", 10**400, id="THREADS-huge"),
        ("THREAD_WAIT", 0),
        pytest.param("THREAD_WAIT", 10**400, id="THREAD_WAIT-huge"),
        ("THREAD_WAIT", float("inf")),
        ("THREAD_WAIT", float("nan")),
        ("DOCS_ACCESS", "private"),
        ("DOCS_ACCESS", []),
        ("TRUSTED_PROXIES", "10.0.0.1"),
        ("TRUSTED_PROXIES", ["10.0.0.1/8"]),
        ("TRUSTED_PROXIES", ["proxy.test"]),
        ("TRUSTED_PROXIES", ["*"]),
        ("TRUSTED_PROXIES", [1]),
        ("AUTH", ["SCHEMES"]),
        ("AUTH", None),
        ("THROTTLE_CACHE", "no-such-cache"),
        ("THROTTLE_CACHE", None),
        ("THROTTLE_FAIL_OPEN", "open"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_setting_value_and_cure(
    settings: Settings, name: str, value: object
) -> None:
    setattr(settings, f"FASTAPI_{name}", value)
    setting = getattr(fastapi_settings, name)
    with pytest.raises(ConfigurationError) as caught:
        setting.get()
    assert str(caught.value) == f"FASTAPI_{name} must be {setting.expected}, not {value!r}."


def test_the_longest_wait_is_one_that_a_lock_can_wait(settings: Settings) -> None:
    settings.FASTAPI_THREAD_WAIT = threading.TIMEOUT_MAX
    assert threading.Lock().acquire(timeout=fastapi_settings.THREAD_WAIT.get())
