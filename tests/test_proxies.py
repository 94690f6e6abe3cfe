import pytest
from pytest_django import Settings

from django_fastapi.proxies import Proxies, drop_untrusted, get_proxies

FORWARDED = {
    "HTTP_X_FORWARDED_FOR": "192.0.2.1",
    "HTTP_X_FORWARDED_HOST": "evil.test",
    "HTTP_X_FORWARDED_PORT": "1",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_PREFIX": "/evil",
    "HTTP_FORWARDED": "for=192.0.2.1",
}


@pytest.fixture
def proxies(settings: Settings) -> Proxies:
    settings.FASTAPI_TRUSTED_PROXIES = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]
    return get_proxies()


@pytest.mark.parametrize(
    ("peer", "is_trusted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("", False),
        (None, False),
        ("testclient", False),
        ("10.1.2.3, 1.1.1.1", False),
    ],
)
def test_a_peer_is_trusted_by_its_address(proxies: Proxies, peer: str | None, is_trusted: bool) -> None:  # noqa: FBT001
    assert proxies.trust(peer) is is_trusted


def test_a_peer_without_an_address_is_trusted_if_the_unix_socket_is(settings: Settings) -> None:
    settings.FASTAPI_TRUSTED_PROXIES = ["unix"]
    assert get_proxies().trust(None)
    assert not get_proxies().trust("127.0.0.1")


def test_nobody_is_trusted_by_default() -> None:
    assert not get_proxies()
    assert not any(map(get_proxies().trust, ("127.0.0.1", "::1", "", None)))


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("203.0.113.1", "203.0.113.1"),
        ("6.6.6.6, 203.0.113.1", "203.0.113.1"),
        ("6.6.6.6, 203.0.113.1, 10.0.0.1", "203.0.113.1"),
        ("203.0.113.1,10.0.0.1,192.0.2.7", "203.0.113.1"),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("203.0.113.1:4711", "203.0.113.1"),
        ("[2001:db9::1]:4711", "2001:db9::1"),
        ("2001:DB9::1", "2001:db9::1"),
        ("::ffff:203.0.113.1", "203.0.113.1"),
        ("6.6.6.6, unknown, 10.0.0.1", "10.0.0.1"),
        ("203.0.113.1\r\nforged", None),
        ("unknown", None),
        ("<script>", None),
        ("", None),
        (",".join(["10.0.0.1"] * 5000), "10.0.0.1"),
        ("6.6.6.6," + ",".join(["10.0.0.1"] * 5000), "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxys(
    proxies: Proxies, forwarded_for: str, client: str | None
) -> None:
    assert proxies.find_client(forwarded_for) == client


@pytest.mark.parametrize(
    ("django", "trusted", "peer", "kept"),
    [
        ({}, [], "127.0.0.1", set()),
        ({"USE_X_FORWARDED_HOST": True}, [], "127.0.0.1", {"HTTP_X_FORWARDED_HOST"}),
        ({"USE_X_FORWARDED_PORT": True}, [], "127.0.0.1", {"HTTP_X_FORWARDED_PORT"}),
        (
            {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")},
            [],
            "127.0.0.1",
            {"HTTP_X_FORWARDED_PROTO"},
        ),
        ({}, ["127.0.0.1"], "127.0.0.1", set(FORWARDED)),
        ({}, ["unix"], "", set(FORWARDED)),
        ({"USE_X_FORWARDED_HOST": True}, ["10.0.0.1"], "127.0.0.1", set()),
        ({"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, ["10.0.0.1"], "", set()),
    ],
)
def test_a_wsgi_server_passes_on_what_a_setting_trusts(
    settings: Settings, django: dict[str, object], trusted: list[str], peer: str, kept: set[str]
) -> None:
    for name, value in django.items():
        setattr(settings, name, value)
    settings.FASTAPI_TRUSTED_PROXIES = trusted
    environ = {**FORWARDED, "HTTP_HOST": "testserver", "REMOTE_ADDR": peer, "wsgi.input": None}
    drop_untrusted(environ)
    assert set(environ) == {*kept, "HTTP_HOST", "REMOTE_ADDR", "wsgi.input"}


def test_the_header_of_an_untrusted_peer_that_djangos_setting_names_is_taken_away_whatever_its_name(
    settings: Settings,
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_SCHEME", "https")
    settings.FASTAPI_TRUSTED_PROXIES = ["10.0.0.1"]
    environ = {"HTTP_X_SCHEME": "https", "REMOTE_ADDR": "192.0.2.1"}
    drop_untrusted(environ)
    assert "HTTP_X_SCHEME" not in environ
