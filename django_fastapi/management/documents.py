"""What has changed between two OpenAPI documents, in words."""

from collections.abc import Iterator, Mapping
from typing import Any


def list_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return one line for each operation, component and other part that differs.

    Args:
        old: The document as it was.
        new: The document as it is.

    Returns:
        Lines such as "+ GET /books", "- schemas Book" or "~ info"; none if the documents are equal.
    """
    before, after = dict(_parts(old)), dict(_parts(new))
    return [
        f"{'+' if part not in before else '-' if part not in after else '~'} {part}"
        for part in dict.fromkeys([*before, *after])
        if part not in before or part not in after or before[part] != after[part]
    ]


def _parts(document: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in document.items():
        if name == "paths":
            for path, item in value.items():
                yield from ((f"{method.upper()} {path}", operation) for method, operation in item.items())
        elif name == "components":
            for kind, components in value.items():
                yield from ((f"{kind} {component}", content) for component, content in components.items())
        else:
            yield name, value
