import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.apps import apps
from django.urls import include, path
from pytest_django import Settings

from django_fastapi.discovery import discover
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.registry import APIRegistry

API_MODULE = """
from django_fastapi import api

@api.get("/found")
def found() -> str:
    return "found"
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, registry: APIRegistry) -> Path:
    """Give the folder of an installed app, empty still, and a registry that nothing was discovered for."""
    folder = tmp_path / "discovered_app"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    settings.INSTALLED_APPS = ["django_fastapi", "discovered_app"]
    monkeypatch.setattr(apps.get_app_config("django_fastapi"), "registry", registry)
    registry.is_discovered = False
    return folder


def paths(registry: APIRegistry) -> list[str]:
    return [getattr(route, "path", "") for route in registry.get_default().routes]


def test_the_api_module_of_an_installed_app_is_imported(app: Path, registry: APIRegistry) -> None:
    (app / "api.py").write_text(API_MODULE)
    discover(registry)
    assert "/found" in paths(registry)


def test_it_is_done_once(app: Path, registry: APIRegistry) -> None:
    discover(registry)
    (app / "api.py").write_text(API_MODULE)
    discover(registry)
    assert "/found" not in paths(registry)


def test_an_app_without_the_module_is_passed_over(app: Path, registry: APIRegistry) -> None:
    assert not (app / "api.py").exists()
    discover(registry)
    assert registry.is_discovered


def test_the_names_of_the_modules_are_a_setting(app: Path, registry: APIRegistry, settings: Settings) -> None:
    settings.FASTAPI_AUTODISCOVER_MODULES = ["endpoints"]
    (app / "api.py").write_text("raise AssertionError")
    (app / "endpoints.py").write_text(API_MODULE)
    discover(registry)
    assert "/found" in paths(registry)


def test_it_can_be_switched_off(app: Path, registry: APIRegistry, settings: Settings) -> None:
    settings.FASTAPI_AUTODISCOVER = False
    (app / "api.py").write_text(API_MODULE)
    discover(registry)
    assert "/found" not in paths(registry)


def test_a_broken_module_raises_what_it_raises_and_is_tried_again(app: Path, registry: APIRegistry) -> None:
    (app / "api.py").write_text("import no_such_module")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            discover(registry)
    (app / "api.py").write_text(API_MODULE)
    discover(registry)
    assert "/found" in paths(registry)


@pytest.mark.parametrize(
    ("registration", "names"),
    [('register_api(FastAPI(), name="v2", prefix="/v2")', ["v2", "api"]), ("set_default_api(FastAPI())", ["api"])],
)
def test_what_a_broken_module_has_registered_does_not_hide_why_it_is_broken(
    app: Path, registry: APIRegistry, registration: str, names: list[str]
) -> None:
    healthy = f"from fastapi import FastAPI\nfrom django_fastapi import register_api, set_default_api\n{registration}\n"
    (app / "api.py").write_text(f"{healthy}import no_such_module")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            discover(registry)
    (app / "api.py").write_text(healthy)
    discover(registry)
    assert [one.name for one in registry.all()] == names


def test_neither_does_a_name_that_it_reverses(
    app: Path, registry: APIRegistry, bare_django: Callable[..., None]
) -> None:
    bare_django(path("", include("django_fastapi.urls")))
    (app / "api.py").write_text(
        "from django.urls import reverse\nfrom django_fastapi import api\n"
        'api.get("/first", name="first")(lambda: None)\nassert reverse("api:first") == "/first"\nimport no_such_module'
    )
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            discover(registry)


def test_what_other_modules_have_registered_stays(app: Path, registry: APIRegistry, settings: Settings) -> None:
    settings.FASTAPI_AUTODISCOVER_MODULES = ["first", "api"]
    (app / "first.py").write_text(
        "from fastapi import FastAPI\nfrom django_fastapi import api, register_api\n"
        'register_api(FastAPI(), name="first", prefix="/first")\n'
        'api.get("/first")(lambda: None)'
    )
    (app / "api.py").write_text("from django_fastapi import api\nimport no_such_module")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module"):
            discover(registry)
    assert [one.name for one in registry.all()] == ["first", "api"]
    assert "/first" in paths(registry)


def test_neither_does_what_the_module_of_the_default_api_has_registered(
    app: Path, registry: APIRegistry, settings: Settings
) -> None:
    settings.FASTAPI_API = "discovered_app.main.app"
    (app / "main.py").write_text(
        "from fastapi import FastAPI\nfrom django_fastapi import register_api\n"
        'register_api(FastAPI(), name="v2", prefix="/v2")\n'
        "import no_such_module"
    )
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="no_such_module"):
            registry.get_default()
