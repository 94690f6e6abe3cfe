"""Changes to the core schemas of Pydantic, which are dictionaries in dictionaries."""

from collections.abc import Callable
from typing import Any, TypeGuard

Node = dict[str, Any]


def changed(schema: Any, change: Callable[[Node], Node]) -> Any:
    """Return a core schema in which every part is as `change` gives it, from the outermost to the innermost.

    Args:
        schema: The core schema. It is not changed itself.
        change: Returns a part in the place of another, or the same. It is not given metadata.
    """
    if _is_list(schema):
        return [changed(one, change) for one in schema]
    if _is_tuple(schema):
        return tuple(changed(one, change) for one in schema)
    if not _is_node(schema):
        return schema
    return {key: value if key == "metadata" else changed(value, change) for key, value in change(schema).items()}


def _is_node(value: object) -> TypeGuard[Node]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_tuple(value: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)
