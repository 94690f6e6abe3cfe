"""The errors of a validation, readable: which value of which field of which model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias, cast, get_args, get_origin

from fastapi.exceptions import ResponseValidationError, ValidationException
from pydantic import BaseModel, ValidationError

from django_fastapi.secret_names import names_secret

from .masking import STARS, mask, secrets_in

_LONGEST: Final = 300

_Location: TypeAlias = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """One value that is not as a model wants it.

    Args:
        model: The name of the model that declares the field; empty if that is not known.
        field: The field, or the whole way to it where no model is known.
        location: The way to it from the outside.
        message: What is wrong.
        value: The value, as Python prints it, without secrets.
    """

    model: str
    field: str
    location: str
    message: str
    value: str


def list_violations(error: BaseException, route: object) -> list[Violation]:
    """Return what a validation has found.

    Args:
        error: Any exception; there are violations in FastAPI's and Pydantic's own only.
        route: FastAPI's route, whose models tell whose fields they are; None if there is none.
    """
    if isinstance(error, ValidationError):
        return [_violation(one, error.title, one["loc"]) for one in error.errors(include_url=False)]
    if not isinstance(error, ValidationException):
        return []
    violations: list[Violation] = []
    for one in cast("Sequence[Mapping[str, Any]]", error.errors()):
        location: _Location = tuple(one["loc"])
        root, rest = _root(error, route, location)
        violations.append(_violation(one, _owner(root, rest), location))
    return violations


def secret_inputs(error: BaseException) -> Iterator[str]:
    """Yield the texts of secrets in what a validation refused, which its message repeats."""
    if not isinstance(error, ValidationError | ValidationException):
        return
    for one in cast("Sequence[Mapping[str, Any]]", error.errors()):
        # As a pair, so that the name of the field tells whether its value is a secret.
        yield from secrets_in({name: one.get("input") for name in one["loc"] or ("",)})


def _violation(error: Mapping[str, Any], model: str, location: _Location) -> Violation:
    is_hidden = any(map(names_secret, location))
    value = STARS if is_hidden else repr(mask(error.get("input")))
    names = [str(part) for part in location if isinstance(part, str)]
    way = ".".join(map(str, location))
    field = names[-1] if model and names else way
    return Violation(model, field, way, str(error["msg"]), value[:_LONGEST])


def _root(error: ValidationException, route: object, location: _Location) -> tuple[Any, _Location]:
    """Return the annotation that a location begins at, and the rest of the location."""
    if isinstance(error, ResponseValidationError):
        return getattr(route, "response_model", None), location[1:]
    dependant = getattr(route, "dependant", None)
    fields = list(getattr(dependant, f"{location[0]}_params", ())) if location else []
    if len(location) > 1 and (named := [one for one in fields if one.alias == location[1]]):
        return named[0].field_info.annotation, location[2:]
    # A single body, or a model of parameters, is not in the location.
    return (fields[0].field_info.annotation, location[1:]) if len(fields) == 1 else (None, ())


def _owner(annotation: Any, location: _Location) -> str:
    """Return the name of the model that declares the last field of a location."""
    owner = ""
    candidates = _models_in(annotation)
    for part in location:
        if not isinstance(part, str):
            continue
        for model in candidates:
            found = [field for name, field in model.model_fields.items() if part in (name, field.alias)]
            if found:
                owner, candidates = model.__name__, _models_in(found[0].annotation)
                break
        else:
            # A location has the names of a union's members as well.
            candidates = [model for model in candidates if model.__name__ == part] or candidates
    return owner or (candidates[0].__name__ if candidates else "")


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that an annotation is, or is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is Annotated:
        return _models_in(get_args(annotation)[0])
    return [model for part in get_args(annotation) for model in _models_in(part)]
