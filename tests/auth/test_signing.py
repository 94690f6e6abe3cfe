"""Signed tokens: one purpose, a limited time, one use."""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import itsdangerous
import pytest
from django.db import connections
from pytest_django import Settings

from django_fastapi.auth.exceptions import BadCredential

from .conftest import MakeUser

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from django_fastapi.auth.signing import Purpose


@pytest.fixture
def signing() -> Any:
    from django_fastapi.auth import signing  # noqa: PLC0415 (imports models)

    return signing


def refused(signing: Any, token: str, purpose: "Purpose | None" = None) -> bool:
    try:
        signing.redeem(token, purpose or signing.MAGIC_LINK)
    except BadCredential:
        return True
    return False


def age(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the clock of the signatures go on."""
    now = datetime.now(UTC).timestamp()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + seconds)


def test_a_token_gives_its_user_once(signing: Any, ada: "User") -> None:
    token = signing.sign(ada, signing.MAGIC_LINK)
    assert signing.redeem(token, signing.MAGIC_LINK) == ada
    assert refused(signing, token)
    assert not refused(signing, signing.sign(ada, signing.MAGIC_LINK))


def test_a_token_is_for_one_purpose(signing: Any, ada: "User") -> None:
    purposes = [signing.EMAIL_VERIFICATION, signing.MAGIC_LINK, signing.WEBSOCKET_TICKET]
    for made in purposes:
        token = signing.sign(ada, made)
        assert [refused(signing, token, one) for one in purposes if one is not made] == [True, True]
        assert not refused(signing, token, made)


def test_a_token_has_its_time(signing: Any, ada: "User", monkeypatch: pytest.MonkeyPatch) -> None:
    ages = {"email-verification": 3 * 86400, "magic-link": 900, "websocket-ticket": 30}
    for purpose in (signing.EMAIL_VERIFICATION, signing.MAGIC_LINK, signing.WEBSOCKET_TICKET):
        limit = ages[purpose.name]
        assert purpose.max_age == timedelta(seconds=limit)
        token = signing.sign(ada, purpose)
        with monkeypatch.context() as clock:
            age(clock, limit + 2)
            assert refused(signing, token, purpose)
        with monkeypatch.context() as clock:
            age(clock, -10)  # made in the future
            assert refused(signing, token, purpose)
        assert not refused(signing, token, purpose)


@pytest.mark.parametrize("change", ["deleted", "inactive", "renamed", "new password", "new address"])
def test_a_token_ends_with_its_user_as_they_were(signing: Any, ada: "User", change: str) -> None:
    token = signing.sign(ada, signing.MAGIC_LINK)
    users = type(ada).objects
    if change == "deleted":
        ada.delete()
    elif change == "inactive":
        users.update(is_active=False)
    elif change == "renamed":
        users.update(username="countess")
    elif change == "new address":
        users.update(email="other@example.test")
    else:
        ada.set_password("another")
        ada.save()
    assert refused(signing, token)


def test_who_verifies_an_address_need_not_be_active_still(signing: Any, make_user: MakeUser) -> None:
    new = make_user("new", is_active=False)
    assert signing.redeem(signing.sign(new, signing.EMAIL_VERIFICATION), signing.EMAIL_VERIFICATION) == new


def changed(token: str, index: int) -> str:
    return token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]


WRONG: dict[str, Callable[[str], str]] = {
    "empty": lambda _: "",
    "nonsense": lambda _: "x",
    "only dots": lambda _: "..",
    "not ASCII": lambda token: token + "\xe9",
    "a surrogate": lambda _: "\ud800",
    "oversized": lambda token: token + "A" * 9000,
    "payload tampered with": lambda token: changed(token, 5),
    "time tampered with": lambda token: changed(token, token.index(".") + 2),
    "signature tampered with": lambda token: changed(token, token.rindex(".") + 5),
    "without signature": lambda token: token.rpartition(".")[0],
    "without time": lambda token: ".".join(token.split(".")[::2]),
    "another key": lambda _: forged("another" * 9, ["1", "x", "y"]),
}


def forged(key: Any, value: Any, salt: str = "django_fastapi.auth.signing.magic-link") -> str:
    import hashlib  # noqa: PLC0415 (for forgeries)

    options = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    token: str = itsdangerous.URLSafeTimedSerializer(key, salt=salt, signer_kwargs=options).dumps(value)
    return token


@pytest.mark.parametrize("name", WRONG)
def test_a_token_that_is_wrong_in_any_way_is_refused(signing: Any, ada: "User", name: str) -> None:
    assert refused(signing, WRONG[name](signing.sign(ada, signing.MAGIC_LINK)))


@pytest.mark.parametrize("value", [None, 1, "x", {}, [], ["1", "x"], [1, "x", "y"], ["1", None, "y"], ["1"] * 4])
@pytest.mark.django_db
def test_a_right_signature_under_something_else_is_refused(signing: Any, settings: Settings, value: Any) -> None:
    assert refused(signing, forged(settings.SECRET_KEY, value))


@pytest.mark.django_db
def test_a_compressed_payload_cannot_fill_the_memory(signing: Any, settings: Settings) -> None:
    bomb = forged(settings.SECRET_KEY, ["1", "x" * 500_000, "y"])
    assert len(bomb) < 1024
    assert refused(signing, bomb)


def test_tokens_outlive_the_rotation_of_secret_key(signing: Any, ada: "User", settings: Settings) -> None:
    first, second = (signing.sign(ada, signing.MAGIC_LINK) for _ in range(2))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = secrets.token_urlsafe(50), [settings.SECRET_KEY]
    assert not refused(signing, first)
    settings.SECRET_KEY_FALLBACKS = []
    assert refused(signing, second)


@pytest.mark.django_db(transaction=True)
def test_of_several_uses_at_once_one_counts(signing: Any, ada: "User") -> None:
    token = signing.sign(ada, signing.MAGIC_LINK)

    def use() -> bool:
        try:
            return not refused(signing, token)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(lambda _: use(), range(8))) == [False] * 7 + [True]
