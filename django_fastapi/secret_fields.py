"""What a route declares as secret: by which names such a value can come in a request, and stands in an error.

A value is secret whose JSON schema has the format "password", OpenAPI's word for it: `SecretStr`, `SecretBytes`, and
what has it by `json_schema_extra`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, cast, get_args

from pydantic import AliasChoices, AliasPath, BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError
from starlette.routing import BaseRoute

BODY: Final = "body"
"""Where FastAPI finds fault with the one body of a route, if that is no object."""

_ROUTES: Final = 512
_KINDS: Final = ("path", "query", "header", "cookie", BODY)

_Alias = str | AliasPath | AliasChoices


def declared_secrets(route: BaseRoute) -> frozenset[str]:
    """Return the names of what a route declares as secret, for itself or by a dependency.

    Args:
        route: A route; one that is not FastAPI's declares nothing.
    """
    return _declared(_Identity(route)).secrets


def declared_names(route: BaseRoute) -> frozenset[str]:
    """Return the names of all fields and models that a route declares, for itself or by a dependency.

    Args:
        route: A route; one that is not FastAPI's declares nothing.
    """
    return _declared(_Identity(route)).names


def lone_body(route: BaseRoute) -> str | None:
    """Return the name of a parameter that the whole body is the value of; None if there is none, or it is a model.

    Args:
        route: A route.
    """
    return _lone_body(_Identity(route))


class _Identity:
    """A route as a key: routes compare by their contents and have no hash."""

    __slots__ = ("route",)

    def __init__(self, route: BaseRoute) -> None:
        self.route = route

    def __hash__(self) -> int:
        return id(self.route)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.route is other.route


@dataclass(frozen=True, slots=True)
class _Declared:
    """What a route declares: the names of what is secret, and those of everything."""

    secrets: frozenset[str]
    names: frozenset[str]


@lru_cache(maxsize=_ROUTES)
def _declared(key: _Identity) -> _Declared:
    fields = list(_fields(getattr(key.route, "dependant", None)))
    is_one_body = [kind for kind, _ in fields].count(BODY) == 1
    secrets: set[str] = set()
    names: set[str] = set()
    for kind, field in fields:
        own = (field.alias, BODY) if kind == BODY and is_one_body else (field.alias,)
        annotation: Any = Annotated[field.field_info.annotation, field.field_info]
        schemas = _schemas(annotation)
        found = {name for schema in schemas for one in own for name in _passwords(schema, one)}
        secrets |= found | set(_aliases(annotation, found))
        members = {name for schema in schemas for name in _names(schema)}
        names |= {*own, *members, *_aliases(annotation, members)}
    return _Declared(frozenset(secrets), frozenset(names))


@lru_cache(maxsize=_ROUTES)
def _lone_body(key: _Identity) -> str | None:
    bodies = [field for kind, field in _fields(getattr(key.route, "dependant", None)) if kind == BODY]
    if len(bodies) != 1 or next(_models(bodies[0].field_info.annotation, set()), None) is not None:
        return None
    return str(bodies[0].alias)


def _fields(dependant: Any) -> Iterator[tuple[str, Any]]:
    """Yield FastAPI's fields for all that a route and its dependencies take from the request, with their kinds."""
    if dependant is not None:
        for kind in _KINDS:
            yield from ((kind, field) for field in getattr(dependant, f"{kind}_params"))
        for dependency in dependant.dependencies:
            yield from _fields(dependency)


def _schemas(annotation: Any) -> list[dict[str, Any]]:
    """Return the JSON schema of a type, by the aliases of its fields and by their names: a model may take both."""
    try:
        return [TypeAdapter(annotation).json_schema(by_alias=by_alias) for by_alias in (True, False)]
    except PydanticUserError:  # a type without a form in JSON
        return []


def _names(part: Any) -> Iterator[str]:
    """Yield the names of all fields and models in a JSON schema."""
    if isinstance(part, list):
        for item in cast("list[object]", part):
            yield from _names(item)
    elif isinstance(part, dict):
        for key, value in cast("dict[str, Any]", part).items():
            if key in ("properties", "$defs") and isinstance(value, dict):
                yield from cast("dict[str, Any]", value)
            yield from _names(value)


def _passwords(schema: dict[str, Any], name: str) -> Iterator[str]:
    """Yield the names in a JSON schema of what is secret; `name` is that of the whole."""
    yield from _Walk(schema.get("$defs", {})).find(schema, name)


class _Walk:
    """A walk through a JSON schema that goes once into each definition, for each name."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._known: set[tuple[str, str]] = set()

    def find(self, part: Any, name: str) -> Iterator[str]:
        if isinstance(part, list):
            for item in cast("list[object]", part):
                yield from self.find(item, name)
        elif isinstance(part, dict):
            members = cast("dict[str, Any]", part)
            if members.get("format") == "password":
                yield name
            for key, value in members.items():
                yield from self._find_in(key, value, name)

    def _find_in(self, key: str, value: Any, name: str) -> Iterator[str]:
        if key == "properties":
            for member, schema in value.items():
                yield from self.find(schema, member)
        elif key == "$ref":
            definition = str(value).rpartition("/")[2]
            if (definition, name) not in self._known:
                self._known.add((definition, name))
                yield from self.find(self._definitions.get(definition), name)
        elif key != "$defs":
            yield from self.find(value, name)


def _aliases(annotation: Any, names: set[str]) -> Iterator[str]:
    """Yield by which further names fields come in, of those that have one of these names."""
    for model in _models(annotation, set()):
        for name, info in model.model_fields.items():
            if name in names and info.validation_alias is not None:
                yield from _spelled(info.validation_alias)


def _models(annotation: Any, known: set[type]) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in known:
        known.add(annotation)
        yield annotation
        for info in annotation.model_fields.values():
            yield from _models(info.annotation, known)
    for argument in get_args(annotation):
        yield from _models(argument, known)


def _spelled(alias: _Alias) -> Iterator[str]:
    if isinstance(alias, AliasChoices):
        for choice in alias.choices:
            yield from _spelled(choice)
    elif isinstance(alias, AliasPath):
        # The last name on the way; a position in a list is none.
        yield [step for step in alias.path if isinstance(step, str)][-1]
    else:
        yield alias
