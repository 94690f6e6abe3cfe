import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.checks import CheckMessage, Error, Warning as CheckWarning, run_checks
from django.db import connections
from django.test import modify_settings
from pytest_django import Settings

from django_fastapi import openapi
from django_fastapi.checks import check_deployment, check_routes, check_settings
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.factory import apply_settings
from django_fastapi.registry import APIRegistry


def ids(messages: list[CheckMessage]) -> list[str]:
    return [str(message.id) for message in messages]


def test_a_project_without_mistakes_has_no_messages() -> None:
    assert check_settings() == check_routes() == []


def test_django_runs_the_checks(settings: Settings) -> None:
    settings.FASTAPI_TITLE = 3
    assert "django_fastapi.E001" in ids(run_checks(databases=[]))


def test_a_wrong_value_is_an_error_that_names_the_cure(settings: Settings) -> None:
    settings.FASTAPI_ROOT_PATH, settings.FASTAPI_CORS_ENABLED = "api/", "yes"
    assert check_settings() == [
        Error(
            "FASTAPI_ROOT_PATH must be empty, or a path that begins with \"/\" and does not end with one, not 'api/'.",
            id="django_fastapi.E001",
        ),
        Error("FASTAPI_CORS_ENABLED must be True or False, not 'yes'.", id="django_fastapi.E001"),
    ]


def test_a_misspelt_name_is_found(settings: Settings) -> None:
    settings.FASTAPI_TITEL, settings.FASTAPI_ZZZZ = "Books", 1
    assert check_settings() == [
        CheckWarning(
            "There is no setting FASTAPI_TITEL.", hint="Did you mean FASTAPI_TITLE?", id="django_fastapi.W001"
        ),
        CheckWarning("There is no setting FASTAPI_ZZZZ.", hint=None, id="django_fastapi.W001"),
    ]


def test_the_wildcard_origin_with_credentials_is_warned_of(settings: Settings) -> None:
    settings.FASTAPI_CORS_ENABLED = True
    assert ids(check_settings()) == ["django_fastapi.W002"]
    settings.FASTAPI_CORS_ALLOW_CREDENTIALS = False
    assert check_settings() == []
    settings.FASTAPI_CORS_ALLOW_CREDENTIALS, settings.FASTAPI_CORS_ALLOW_ORIGINS = True, ["https://one.test"]
    assert check_settings() == []


def test_docs_pages_without_assets_are_warned_of(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi, "_SIDECAR", "no_such_package")
    assert ids(check_settings()) == ["django_fastapi.W004"]
    settings.FASTAPI_DOCS_ACCESS = "off"
    assert check_settings() == []


@pytest.mark.parametrize(
    ("vendor", "pool", "expected"),
    [
        ("postgresql", False, []),
        ("postgresql", True, [(4, "max_size")]),
        ("postgresql", {"min_size": 2, "max_size": 16}, []),
        ("postgresql", {"max_size": 8}, [(8, "max_size")]),
        ("postgresql", {"min_size": 20}, []),
        ("oracle", True, [(2, "max")]),
        ("oracle", {"min": 1, "max": 64}, []),
        ("oracle", {"max": 8}, [(8, "max")]),
        ("another", {"size": 1}, []),
    ],
)
def test_a_pool_with_fewer_connections_than_threads_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, vendor: str, pool: object, expected: list[tuple[int, str]]
) -> None:
    monkeypatch.setattr(connections["default"], "vendor", vendor)  # the driver of Oracle is not installed here
    monkeypatch.setitem(connections.settings["default"], "OPTIONS", {"pool": pool})
    messages = check_settings()
    assert ids(messages) == ["django_fastapi.W006"] * len(expected)
    for (size, option), message in zip(expected, messages, strict=True):
        assert f"has {size} connections for 16 threads" in message.msg
        assert f'{{"{option}": 16}}' in str(message.hint)


@pytest.mark.parametrize(
    ("names", "url"), [(("DOCS", "REDOC"), "/redoc"), (("DOCS", "OPENAPI"), "/docs"), (("REDOC", "OPENAPI"), "/one")]
)
def test_two_pages_at_one_url_are_an_error(
    settings: Settings, registry: APIRegistry, names: tuple[str, str], url: str
) -> None:
    first, second = (f"FASTAPI_{name}_URL" for name in names)
    setattr(settings, first, url)
    setattr(settings, second, url)
    [message] = check_settings()
    assert message.id == "django_fastapi.E003"
    assert message.msg == f"{second} must be another path than {first}: both are {url!r}."
    with pytest.raises(ConfigurationError, match=f"{second} must be another path"):
        apply_settings(registry)


def test_pages_that_are_left_out_are_at_no_url(settings: Settings) -> None:
    settings.FASTAPI_DOCS_URL = settings.FASTAPI_REDOC_URL = settings.FASTAPI_OPENAPI_URL = None
    assert check_settings() == []


def test_staff_access_needs_sessions_and_users(settings: Settings) -> None:
    settings.FASTAPI_DOCS_ACCESS = "staff"
    assert check_settings() == []
    with modify_settings(INSTALLED_APPS={"remove": ["django.contrib.sessions"]}):
        [message] = check_settings()
    assert message.id == "django_fastapi.E002"
    assert "django.contrib.sessions" in message.msg


@pytest.mark.parametrize(("access", "expected"), [("public", ["django_fastapi.W005"]), ("staff", []), ("off", [])])
def test_open_docs_are_told_at_deployment(settings: Settings, access: str, expected: list[str]) -> None:
    settings.FASTAPI_DOCS_ACCESS = access
    assert ids(check_deployment()) == expected
    assert ("django_fastapi.W005" in ids(run_checks(include_deployment_checks=True, databases=[]))) == bool(expected)


def test_an_application_that_cannot_be_had_is_told(settings: Settings, registry: APIRegistry) -> None:  # noqa: ARG001
    settings.FASTAPI_API = "no_such.module"
    [message] = check_routes()
    assert message.id == "django_fastapi.W003"
    assert "FASTAPI_API = 'no_such.module' cannot be imported" in message.msg


SETTINGS = """
SECRET_KEY = "x" * 50
INSTALLED_APPS = ["django.contrib.contenttypes", "django_fastapi", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
ROOT_URLCONF = "site_urls"
"""
_CHECK = """
import sys
import django
from django.core.checks import run_checks
django.setup()
run_checks(databases=[])
print("django_fastapi.auth.models" in sys.modules)
"""
URLS = """
from django.urls import include, path

urlpatterns = [path("", include("django_fastapi.urls"))]
"""


@pytest.fixture
def broken_project(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give a function that runs a command of a project whose `api.py` cannot be imported."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "api.py").write_text("from shop import no_such_name\n")
    (tmp_path / "site_settings.py").write_text(SETTINGS)
    (tmp_path / "site_urls.py").write_text(URLS)
    root = Path(__file__).resolve().parents[1]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"DJANGO_SETTINGS_MODULE": "site_settings", "PYTHONPATH": f"{tmp_path}:{root}"}
        return subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_a_broken_api_module_does_not_stop_migrate(
    broken_project: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    migrated = broken_project("-m", "django", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert "(django_fastapi.W003) The API modules cannot be imported: ImportError" in migrated.stderr
    assert "no_such_name" in migrated.stderr


def test_a_project_without_users_is_checked_without_the_models_of_auth(
    broken_project: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Django would complain of their foreign keys, if its own check came after ours: the checks are a set."""
    checked = broken_project("-c", _CHECK)
    assert (checked.returncode, checked.stdout) == (0, "False\n"), checked.stderr


def test_a_broken_api_module_stops_the_server_with_its_traceback(
    broken_project: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    served = broken_project("-c", "import django_fastapi.asgi")
    assert served.returncode != 0
    assert 'shop/api.py", line 1' in served.stderr
    assert "cannot import name 'no_such_name'" in served.stderr
