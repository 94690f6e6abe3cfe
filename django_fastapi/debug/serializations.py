"""The cause that Pydantic drops when a serializer fails while it writes JSON."""

from traceback import walk_tb
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError


def restore_cause(error: BaseException) -> None:
    """Give a failed serialization the exception of the serializer as its cause.

    Pydantic keeps it where it makes Python objects, and drops it where it writes JSON, with the traceback. So what
    could not be written is made into objects once more.

    Args:
        error: Any exception.
    """
    if not isinstance(error, PydanticSerializationError) or error.__cause__ is not None:
        return
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_code is TypeAdapter[Any].dump_json.__code__:
            adapter, instance = frame.f_locals["self"], frame.f_locals["instance"]
            try:
                adapter.dump_python(instance, mode="json")
            except PydanticSerializationError as again:
                error.__cause__ = again.__cause__
