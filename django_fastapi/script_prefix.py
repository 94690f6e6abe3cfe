"""The script prefix of a request: what Django's `reverse()` and `static()` put before a path."""

from typing import Final

from django.core.handlers.asgi import get_script_prefix
from django.urls import base, set_script_prefix

from .contexts import LocalValues
from .types import Scope

_in_force: Final = LocalValues(vars(base)["_prefixes"])


def enter_script_prefix(scope: Scope) -> None:
    """Have the current task, and what it calls, use the script prefix that Django's handler sets for a request.

    Args:
        scope: What the server gave: its `root_path` counts, unless `FORCE_SCRIPT_NAME` is set.
    """
    name: str = get_script_prefix(scope)
    prefix = name if name.endswith("/") else f"{name}/"
    # Few sites have one. To ask Django's public function whether one is set takes five times as long as all of this.
    if _in_force.get().get("value", "/") != prefix:
        set_script_prefix(prefix)
