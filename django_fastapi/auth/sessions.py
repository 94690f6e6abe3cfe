"""The sessions of a user: the request's own, and all of them."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from django.utils import timezone


def is_in_session(user: Any, request: HttpRequest) -> bool:
    """Return whether it is this user who is logged in with the request's session."""
    if not hasattr(request, "session"):
        return False  # the project has none
    key: object = request.session.get(SESSION_KEY)
    return bool(key == user._meta.pk.value_to_string(user))


def end_sessions(user: Any) -> bool:
    """End every session of a user that is kept in the database; return whether sessions are kept there.

    With the engines `db` and `cached_db` the sessions are looked through, since Django keeps no list for each user. The
    other engines have no way to find them. A new password ends them all with any engine.

    Args:
        user: The user.
    """
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(store, "get_model_class"):
        return False
    key = user._meta.pk.value_to_string(user)
    rows = store.get_model_class()._default_manager.filter(expire_date__gte=timezone.now())
    for row in rows.iterator():
        if row.get_decoded().get(SESSION_KEY) == key:
            store(row.session_key).delete()
    return True
