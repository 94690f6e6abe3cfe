"""What system checks say of keys, lifetimes and tables."""

import secrets
from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from .test_tokens import PAIRS, RSA, pem

pytestmark = pytest.mark.usefixtures("registry")  # the example has a route for tokens

GOOD = secrets.token_urlsafe(32)
DAY = 86400


def use(settings: Settings, **chosen: Any) -> None:
    settings.FASTAPI_AUTH = {"SCHEMES": ["django_fastapi.auth.JWTAuth"], "JWT": chosen}


def found(number: str) -> list[str]:
    return [message.msg for message in run_checks(databases=[]) if message.id == f"django_fastapi.{number}"]


def test_good_settings_have_nothing_to_be_told(settings: Settings) -> None:
    use(settings, KEYS={"now": GOOD})
    assert found("E021") == found("E022") == []
    for algorithm, make in PAIRS.items():
        use(settings, ALGORITHM=algorithm, KEYS={"now": pem(make()), "before": pem(make(), public=True)})
        assert found("E021") == []


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        ("", "is shorter than 32 bytes"),
        ("hidden", "is shorter than 32 bytes"),
        (b"x9" * 15, "is shorter than 32 bytes"),
        ("x" * 40, "can be guessed"),
        pytest.param("django-insecure-" + GOOD, "can be guessed", id="startproject's"),
        (pem(RSA), "is a key for signatures, and the algorithm is HS256"),
        (pem(RSA, public=True), "is a key for signatures, and the algorithm is HS256"),
    ],
)
def test_a_key_that_is_short_or_known_or_of_another_family_is_told(
    settings: Settings, key: str | bytes, complaint: str
) -> None:
    use(settings, KEYS={"now": GOOD, "old": key})
    [message] = found("E021")
    assert message.startswith("FASTAPI_AUTH['JWT']['KEYS']['old'] ")
    assert complaint in message
    assert str(key) not in message or not key


@pytest.mark.parametrize(
    ("algorithm", "keys", "complaint"),
    [
        ("RS256", None, "RS256 needs FASTAPI_AUTH['JWT']['KEYS']"),
        ("ES256", {"now": GOOD}, "HMAC secrets and key pairs cannot be mixed"),
        ("ES256", {"now": pem(RSA)}, "cannot be read as a key for ES256"),
        ("EdDSA", {"now": pem(RSA)}, "cannot be read as a key for EdDSA"),
        ("RS256", {"now": "-----BEGIN NONSENSE"}, "cannot be read as a key for RS256"),
        ("RS256", {"now": pem(RSA, public=True)}, "put the private key first"),
    ],
)
def test_a_key_that_does_not_fit_its_algorithm_is_told(
    settings: Settings, algorithm: str, keys: Any, complaint: str
) -> None:
    use(settings, ALGORITHM=algorithm, KEYS=keys)
    [message] = found("E021")
    assert complaint in message


def test_a_short_secret_key_is_told_where_the_key_is_derived_from_it(settings: Settings) -> None:
    settings.SECRET_KEY = "short"
    use(settings)
    assert found("E021")[0].startswith("SECRET_KEY is shorter than 32 bytes")
    use(settings, KEYS={"now": GOOD})
    assert found("E021") == []


def test_a_missing_extra_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_fastapi.auth.keys.find_spec", lambda _: None)
    use(settings, ALGORITHM="RS256", KEYS={"now": pem(RSA)})
    assert 'pip install "django-fastapi-bridge[crypto]"' in found("E021")[0]


def test_lifetimes_that_contradict_each_other_are_told(settings: Settings) -> None:
    from datetime import timedelta  # noqa: PLC0415 (beside its only use)

    minute = timedelta(minutes=1)
    use(settings, KEYS={"now": GOOD}, REFRESH_LIFETIME=minute, ACCESS_LIFETIME=minute)
    assert "REFRESH_LIFETIME'] must be longer than ACCESS_LIFETIME" in found("E021")[0]
    use(settings, KEYS={"now": GOOD}, SESSION_LIFETIME=timedelta(days=1))
    assert "SESSION_LIFETIME'] must be at least as long" in found("E021")[0]
    use(settings, KEYS={"now": GOOD}, REFRESH_LIFETIME=None, SESSION_LIFETIME=minute)
    assert found("E021") == []


@pytest.mark.parametrize(
    ("field", "complaint"), [("nickname", "has no `nickname`"), ("email", "is no unique field"), ("username", None)]
)
def test_a_field_that_names_no_single_user_is_told(settings: Settings, field: str, complaint: str | None) -> None:
    use(settings, KEYS={"now": GOOD}, USER_ID_FIELD=field)
    messages = found("E021")
    assert len(messages) == (complaint is not None)
    assert complaint is None or complaint in messages[0]


def test_a_missing_table_is_told_where_there_are_refresh_tokens(settings: Settings) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_fastapi.auth"]
    use(settings, KEYS={"now": GOOD})
    assert found("E022") == ["Refresh tokens need a table, and there is none."]
    use(settings, KEYS={"now": GOOD}, REFRESH_LIFETIME=None)
    assert found("E022") == []


def test_at_deployment_a_key_of_their_own_is_recommended(settings: Settings) -> None:
    def warned() -> bool:
        return any(one.id == "django_fastapi.W020" for one in run_checks(include_deployment_checks=True, databases=[]))

    use(settings)
    assert warned()
    use(settings, KEYS={"now": settings.SECRET_KEY})
    assert warned()
    use(settings, KEYS={"now": GOOD})
    assert not warned()
    settings.FASTAPI_AUTH = {}
    assert not warned()
