"""The exceptions of the ORM half.

::

    ConfigurationError
    └── SchemaError        a schema that does not fit its model, or the queryset it is to read
    DjangoFastAPIError
    └── UnplannedAccess    the event loop would have had to query the database
"""

import difflib
from collections.abc import Iterable

from django_fastapi.exceptions import ConfigurationError, DjangoFastAPIError


class SchemaError(ConfigurationError):
    """A schema does not fit its model; the message names the field and the cure."""


class UnplannedAccess(DjangoFastAPIError, RuntimeError):
    """Code on the event loop reads something of an instance that was not loaded; the message names it and the cure."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean `author`?" if a known name is close to this one, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else "."
