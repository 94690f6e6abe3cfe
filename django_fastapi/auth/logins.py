"""Logging in with a name and a password, by Django's backends."""

import unicodedata
from typing import Any, Final

from django.conf import settings
from django.contrib import auth
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from django_fastapi.exceptions import UnfitValue
from django_fastapi.lookups import check_text

from .users import check_password, is_active

_MAX_USERNAME: Final = 254
_IGNORED: Final = frozenset({"Mn", "Cf", "Cc"})  # Unicode's marks (accents), and characters without a shape


def verify_login(request: HttpRequest, username: str, password: str) -> Any | None:
    """Return the active user to whom name and password belong; None for every reason not to.

    Django's backends are asked with the request, so that all that is built on them works. For a name that nobody has,
    they run the password hasher just as often. A name or password that no user can have is refused without that: it
    tells nothing of who exists.

    Args:
        request: Django's request.
        username: Of the user, in any Unicode form: Django keeps names in NFKC.
        password: As the user typed it.
    """
    username = unicodedata.normalize("NFKC", username)
    if len(username) > _MAX_USERNAME:
        return None
    try:
        check_text(username)
        check_password(password)
    except (UnfitValue, ValidationError):
        return None
    user: Any = auth.authenticate(request, username=username, password=password)
    return user if user is not None and is_active(user) else None


def login_key(username: str) -> str:
    """Return what is the same for all spellings of a name that a database may take for one.

    Some collations know no case and no accents, and ignore blanks at the end and what cannot be seen.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", username).casefold())
    return "".join(one for one in folded if unicodedata.category(one) not in _IGNORED).rstrip()


def backend_of(user: Any) -> str | None:
    """Return the path of the first backend that finds a user for the requests of a session; None if none does.

    Some backends find nobody: they only count logins, or know permissions.
    """
    for path in settings.AUTHENTICATION_BACKENDS:
        backend: Any = auth.load_backend(path)
        if hasattr(backend, "get_user") and backend.get_user(user.pk) == user:
            return path
    return None
