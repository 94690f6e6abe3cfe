"""Who asks in the rows that want a user: known beforehand, so that the requests of the load can name them."""

from datetime import timedelta
from typing import Any, Final

import jwt
from django.utils import timezone
from django.utils.crypto import salted_hmac

SECRET_KEY: Final = "the same for all, so that they take each other's sessions"  # noqa: S105 (nobody else sees these servers)
TOKEN_KEY: Final = "the same for all, so that they take each other's tokens"  # noqa: S105 (the same)
SESSION_KEY: Final = "benchmarkbenchmarkbenchmark00000"
USERNAME: Final = "ada"
PASSWORD: Final = "!nobody-can-log-in-with-this"  # noqa: S105 (no hash of any password)
CLAIMS: Final = {"iss": "django_fastapi", "aud": "django_fastapi"}
_FOREVER: Final = 4_102_444_800  # the year 2100


def fill() -> None:
    """Make the user and their session, if that has not been done."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY as USER_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.models import Session

    user, _ = User.objects.get_or_create(
        pk=1, defaults={"username": USERNAME, "email": "ada@example.test", "password": PASSWORD}
    )
    values = {
        USER_KEY: str(user.pk),
        BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    }
    Session.objects.save(SESSION_KEY, values, timezone.now() + timedelta(days=1))


def token() -> str:
    """Return a token of the user; it is made by hand, since the load has no settings of Django's."""
    salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
    session_hash = _digest(salt, PASSWORD)
    claims: dict[str, Any] = {
        **CLAIMS,
        "exp": _FOREVER,
        "iat": 1,
        "jti": "benchmark",
        "sub": "1",
        "token_type": "access",
        "stamp": _digest("django_fastapi.auth.stamps", f"{session_hash}\0{USERNAME}")[:32],
    }
    return jwt.encode(claims, TOKEN_KEY, "HS256", headers={"kid": "bench"})


def _digest(salt: str, text: str) -> str:
    return salted_hmac(salt, text, secret=SECRET_KEY, algorithm="sha256").hexdigest()
