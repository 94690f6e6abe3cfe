"""The user of a session: by Django's own function, or in the ordinary case by what it does, with SQL compiled once."""

import functools
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from .prepared import find_row, has_stock_manager
from .users import is_active

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

_DATABASE = ("django.contrib.sessions.backends.db", "SessionStore")
_METHODS = ("get_user", "user_can_authenticate")


def user_of_session(request: HttpRequest) -> "AbstractBaseUser | None":
    """Return the active user of the request's session, by Django's rules; None if nobody is logged in.

    The session's hash is verified, with `SECRET_KEY_FALLBACKS`; a session whose password has changed is ended.

    Args:
        request: Django's request, with a session.
    """
    if not _is_speakable(request.session.session_key):
        request.session = type(request.session)()  # as if no cookie had come
    try:
        user: Any = _find_ordinary(request.session) or auth.get_user(request)
    except (ValidationError, ValueError, OverflowError):
        return None  # it names what is no primary key, such as one from before a change of the user model
    return user if user.is_authenticated and is_active(user) else None


def _is_speakable(key: str | None) -> bool:
    """Return whether every engine can be asked for a session of this key; PostgreSQL fails at a NUL."""
    return key is None or (key.isascii() and key.isprintable())


def _find_ordinary(session: Any) -> Any | None:
    """Return the user if nothing is out of the ordinary; None leaves the decision to Django."""
    if (type(session).__module__, type(session).__name__) == _DATABASE:
        # Django's `load`, which is called when something first asks what is in the session.
        session.__dict__.setdefault("load", functools.partial(_load, session))
    backend, session_hash = session.get(BACKEND_SESSION_KEY), session.get(HASH_SESSION_KEY)
    model: Any = auth.get_user_model()
    is_whole = session_hash and SESSION_KEY in session
    if not (is_whole and backend in settings.AUTHENTICATION_BACKENDS and _is_ordinary(backend, model)):
        return None
    key = model._meta.pk.to_python(session[SESSION_KEY])
    user = find_row(model._default_manager, **{model._meta.pk.name: key})
    return user if user is not None and constant_time_compare(session_hash, user.get_session_auth_hash()) else None


def _load(session: Any) -> dict[str, Any]:
    """Read a session of the database; one that is not there is looked for by the engine, which notes that."""
    manager = session.model._default_manager
    found: dict[str, Any] | None = None
    if session.session_key is not None and has_stock_manager(session.model):
        row = find_row(manager, session_key=session.session_key, expire_date__gt=timezone.now())
        found = None if row is None else session.decode(row.session_data)
    if found is not None:
        return found
    # The engine's own, which this function hides.
    del session.load
    missing: dict[str, Any] = session.load()
    return missing


@functools.lru_cache(maxsize=16)
def _is_ordinary(backend_path: str, model: Any) -> bool:
    """Return whether a backend finds users as Django's own does, and all of them."""
    backend: Any = type(auth.load_backend(backend_path))
    stock: Any = type(auth.load_backend("django.contrib.auth.backends.ModelBackend"))
    has_stock_methods = all(getattr(backend, name, None) is getattr(stock, name) for name in _METHODS)
    return has_stock_methods and has_stock_manager(model) and hasattr(model, "get_session_auth_hash")
