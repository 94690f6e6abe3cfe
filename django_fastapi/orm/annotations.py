"""The annotations of a class that is being made, before Pydantic collects them."""

import sys
from typing import Any

if sys.version_info >= (3, 14):
    import annotationlib

    def own_annotations(cls: type) -> dict[str, Any]:
        """Return the annotations in the body of a class; what cannot be evaluated yet stays a reference (PEP 749)."""
        return dict(annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF))

else:

    def own_annotations(cls: type) -> dict[str, Any]:
        """Return the annotations in the body of a class."""
        return dict(vars(cls).get("__annotations__", {}))


def set_annotations(cls: type, annotations: dict[str, Any]) -> None:
    """Give a class these annotations in place of its own; to be called from `__init_subclass__`."""
    cls.__annotations__ = annotations
