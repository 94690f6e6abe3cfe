"""From a body to saved objects: planned, checked and saved, all of it or nothing."""

from .files import FileLimits as FileLimits
from .nodes import Scopes as Scopes
from .plans import Missing as Missing, WritePlan as WritePlan, plan_write as plan_write
from .saving import (
    BODY as BODY,
    Item as Item,
    Writer as Writer,
    delete as delete,
    write as write,
    writing as writing,
)

__all__ = [
    "BODY",
    "FileLimits",
    "Item",
    "Missing",
    "Scopes",
    "WritePlan",
    "Writer",
    "delete",
    "plan_write",
    "write",
    "writing",
]
