"""The contracts of import-linter, each seen to fail."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

Break = Callable[[Path], None]


def append(module: str, line: str) -> Break:
    def change(package: Path) -> None:
        with (package / module).open("a") as file:
            file.write(f"\n{line}\n")

    return change


def add_module(package: Path) -> None:
    (package / "homeless.py").touch()


def add_circle(package: Path) -> None:
    append("registry.py", "from . import settings")(package)
    append("settings.py", "from . import registry")(package)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (append("settings.py", "from . import dispatch"), "django_fastapi.settings is not allowed to import"),
        (add_module, "django_fastapi.homeless"),
        (append("dispatch.py", "from django_fastapi import api"), "is not allowed to import django_fastapi"),
        (add_circle, "No circles BROKEN"),
    ],
    ids=["an import that points up", "a module without a layer", "an import of the root", "a circle"],
)
def test_the_contracts_fail_when_they_are_broken(change: Break, complaint: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "django_fastapi", tmp_path / "django_fastapi", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    lint = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    intact = subprocess.run(lint, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert intact.returncode == 0, intact.stdout
    change(tmp_path / "django_fastapi")
    broken = subprocess.run(lint, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert broken.returncode != 0
    assert complaint in " ".join(broken.stdout.split())
