"""Logging in with a name and a password, by Django's backends."""

import unicodedata
from typing import Any, Final

from django.contrib import auth
from django.http import HttpRequest

from django_fastapi.exceptions import UnfitValue
from django_fastapi.lookups import check_text

from .users import is_active

_MAX_USERNAME: Final = 254
_MAX_PASSWORD: Final = 4096


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
    if len(username) > _MAX_USERNAME or len(password) > _MAX_PASSWORD:
        return None
    try:
        check_text(username)
        check_text(password)
    except UnfitValue:
        return None
    user: Any = auth.authenticate(request, username=username, password=password)
    return user if user is not None and is_active(user) else None


def login_key(username: str) -> str:
    """Return what is the same for all spellings of a name that a database may take for one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())
