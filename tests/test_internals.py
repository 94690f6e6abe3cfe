"""All private names of FastAPI and Starlette are in one module, and a version without one is refused."""

import ast
from pathlib import Path

import fastapi.routing
import pytest

import django_fastapi
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.internals import take

PACKAGE = Path(django_fastapi.__file__).parent
INTERNALS = PACKAGE / "internals.py"


def words_of(path: Path) -> set[str]:
    """Return the strings and keyword arguments of a module that are names."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    strings = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    keywords = {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}
    return {word for word in strings | keywords if word.isidentifier()}


def test_nobody_else_has_private_names() -> None:
    names = {word for word in words_of(INTERNALS) if word.startswith("_") and not word.startswith("__")}
    assert "_IncludedRouter" in names
    elsewhere = {path.name: words_of(path) & names for path in PACKAGE.rglob("*.py") if path != INTERNALS}
    assert {path: found for path, found in elsewhere.items() if found} == {}


def test_a_version_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"FastAPI .* has no `fastapi.routing._no_such_name`"):
        take(fastapi.routing, "_no_such_name")
