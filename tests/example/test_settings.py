import pytest

from tests.example.processes import manage, run_python

PRODUCTION = {"DEBUG": "0", "SECRET_KEY": "only-for-tests-" + "x" * 50}


def read_setting(expression: str, **environment: str) -> str:
    run = run_python("-c", f"from fastapi_bridge_test import settings; print({expression})", **environment)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_development_needs_no_environment() -> None:
    assert read_setting("settings.DEBUG, len(settings.SECRET_KEY) > 50, settings.ALLOWED_HOSTS") == "True True []"
    assert read_setting("settings.DATABASES['default']['NAME']").endswith("example/db.sqlite3")


@pytest.mark.parametrize("secret", [{}, {"SECRET_KEY": ""}])
def test_without_debug_a_secret_key_is_required(secret: dict[str, str]) -> None:
    run = run_python(
        "-m", "django", "check", DJANGO_SETTINGS_MODULE="fastapi_bridge_test.settings", DEBUG="0", **secret
    )
    assert run.returncode != 0
    assert "ImproperlyConfigured: Set the environment variable `SECRET_KEY`" in run.stderr


def test_allowed_hosts_are_separated_by_commas() -> None:
    assert read_setting("settings.ALLOWED_HOSTS", ALLOWED_HOSTS="a.example, b.example,") == "['a.example', 'b.example']"


@pytest.mark.parametrize(("url", "engine"), [("postgres", "postgresql"), ("mysql", "mysql")])
def test_the_database_is_named_by_its_url(url: str, engine: str) -> None:
    setting = read_setting("settings.DATABASES['default']['ENGINE']", DATABASE_URL=f"{url}://user@127.0.0.1/name")
    assert setting == f"django.db.backends.{engine}"


@pytest.mark.parametrize(("scheme", "imported"), [("sqlite", False), ("mysql", True)])
def test_pymysql_is_imported_for_mysql_only(scheme: str, imported: bool) -> None:  # noqa: FBT001
    setting = "__import__('sys').modules.get('MySQLdb') is not None"
    assert read_setting(setting, DATABASE_URL=f"{scheme}://user@127.0.0.1/name") == str(imported)


def test_redis_holds_cache_and_sessions_if_given() -> None:
    expression = "settings.CACHES['default']['BACKEND'].rsplit('.')[-1], hasattr(settings, 'SESSION_ENGINE')"
    assert read_setting(expression) == "LocMemCache False"
    assert read_setting(expression, REDIS_URL="redis://127.0.0.1/0") == "RedisCache True"


def test_static_files_are_hashed_without_debug_only() -> None:
    expression = "settings.STORAGES['staticfiles']['BACKEND'].rsplit('.')[-1]"
    assert read_setting(expression) == "StaticFilesStorage"
    assert read_setting(expression, **PRODUCTION) == "CompressedManifestStaticFilesStorage"


def test_the_project_has_no_problems_and_no_missing_migrations() -> None:
    assert "no issues" in manage("check", "--fail-level", "WARNING")
    assert "No changes" in manage("makemigrations", "--check", "--dry-run")
