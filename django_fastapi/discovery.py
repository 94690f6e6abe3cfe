"""Finding the routes: the `api.py` modules of the installed apps."""

import threading

from django.utils.module_loading import autodiscover_modules

from . import settings
from .registry import APIRegistry

_lock = threading.RLock()


def discover(registry: APIRegistry) -> None:
    """Import the API modules of all installed apps, once for a registry.

    It happens when something first needs the routes and not while Django starts, so that a broken `api.py` does not
    stop `migrate`. A module that fails is tried again the next time, as if it had registered nothing.

    Args:
        registry: What the modules register with.

    Raises:
        Exception: Whatever a module raises while it is imported. An app without such a module is passed over.
    """
    with _lock:
        if registry.is_discovered or registry.is_being_discovered:  # by a module that reverses a name
            return
        registry.is_being_discovered = True
        try:
            if settings.AUTODISCOVER.get():
                autodiscover_modules(*settings.AUTODISCOVER_MODULES.get(), register_to=registry)
        finally:
            registry.is_being_discovered = False
        registry.is_discovered = True
