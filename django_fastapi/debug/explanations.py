"""An unhandled exception as an API client is told of it with `DEBUG`."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from .failures import chain_of, describe, to_json
from .hints import find_hint
from .masking import scrub
from .violations import list_violations

_CODE: Final = frozenset({"type", "frames", "hint"})


def explain(error: BaseException, route: object, secrets: frozenset[str]) -> dict[str, Any]:
    """Return an exception in a form for JSON: type, message, frames, chain and group, and what helps to mend it.

    Args:
        error: The exception.
        route: FastAPI's route, if one was chosen.
        secrets: Texts that are not repeated.
    """
    content = to_json(describe(error))
    if (hint := find_hint(error)) is not None:
        content["hint"] = dataclasses.asdict(hint)
    if violations := [one for link in chain_of(error) for one in list_violations(link, route)]:
        content["violations"] = [dataclasses.asdict(one) for one in violations]
    return _clean(content, secrets)


def _clean(content: Mapping[str, Any], secrets: frozenset[str]) -> dict[str, Any]:
    """Return an exception without secrets; what comes from the project's code has none of a request's."""
    clean: dict[str, Any] = {}
    for name, value in content.items():
        if name in ("cause", "context"):
            clean[name] = _clean(value, secrets)
        elif name == "exceptions":
            clean[name] = [_clean(member, secrets) for member in value]
        else:
            clean[name] = value if name in _CODE else scrub(value, secrets)
    return clean
