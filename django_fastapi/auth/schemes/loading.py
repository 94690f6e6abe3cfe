"""From `FASTAPI_AUTH["SCHEMES"]` to schemes."""

import functools
from collections.abc import Iterator

from django.utils.module_loading import import_string

from django_fastapi.auth.settings import get_auth_settings
from django_fastapi.exceptions import ConfigurationError

from .base import Scheme


def load_schemes() -> tuple[Scheme, ...]:
    """Return the schemes that the project uses, in their order.

    Raises:
        ConfigurationError: One of them cannot be imported, or is none.
    """
    return _load_all(tuple(get_auth_settings().schemes))


@functools.lru_cache(maxsize=8)
def _load_all(entries: tuple[object, ...]) -> tuple[Scheme, ...]:
    return tuple(_load(one) for one in entries)


def complaints() -> Iterator[str]:
    """Yield a sentence for each entry of `FASTAPI_AUTH["SCHEMES"]` that is no scheme."""
    for one in get_auth_settings().schemes:
        try:
            _load(one)
        except ConfigurationError as error:
            yield str(error)


def _load(entry: object) -> Scheme:
    found: object = entry
    if isinstance(entry, str):
        try:
            found = import_string(entry)
        except ImportError as error:
            raise ConfigurationError(f'FASTAPI_AUTH["SCHEMES"]: {entry!r} cannot be imported: {error}') from error
    if isinstance(found, type) and issubclass(found, Scheme):
        found = found()
    if not isinstance(found, Scheme):
        raise ConfigurationError(
            f'FASTAPI_AUTH["SCHEMES"]: {entry!r} is no scheme; name a class such as "django_fastapi.auth.SessionAuth", '
            "or give an instance."
        )
    return found
