from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.test import override_settings
from hypothesis import given, strategies as st
from pytest_django import Settings
from starlette.requests import HTTPConnection

from django_fastapi.addresses import AddressedRequest, Addressing
from django_fastapi.exceptions import BadRequest
from django_fastapi.requests import make_django_request
from django_fastapi.types import Scope

from .asgi import Headers, make_scope

PROXY = ("10.0.0.1", 4000)


def addressed(*headers: tuple[bytes, bytes], **extra: object) -> tuple[AddressedRequest, HTTPConnection]:
    """Return Django's view of a request, and FastAPI's."""
    scope = make_scope(headers=headers, **extra)
    return read(scope), HTTPConnection(scope)


def read(scope: Scope) -> AddressedRequest:
    return AddressedRequest(scope, Addressing.from_settings().address(scope))


def outcome(function: Callable[[], Any]) -> Any:
    with suppress(DisallowedHost):
        return function()
    return DisallowedHost


def answers_of(request: HttpRequest) -> list[Any]:
    return [
        outcome(request.get_host),
        request.scheme,
        request.is_secure(),
        request.get_port(),
        request.get_full_path(),
        outcome(request.build_absolute_uri),
        request.path,
        request.method,
    ]


_HYPHENS = b"host x-forwarded-host x-forwarded-port x-forwarded-proto x-scheme accept content-length".split()
_UNDERSCORES = b"x_scheme x_forwarded_host x_forwarded_proto x-forwarded_proto content_length".split()
_HOSTS = b"testserver testserver:8000 TESTSERVER testserver. testserver/evil evil.test [::1]:80 [::1".split()
_SCHEMES = b"https http https,http HTTPS 443 \xff".split()

_names = st.sampled_from([*_HYPHENS, *_UNDERSCORES])
_values = st.sampled_from([*_HOSTS, *_SCHEMES, b"", b" https ", b"testserver, evil.test"])
_settings = st.fixed_dictionaries(
    {
        "USE_X_FORWARDED_HOST": st.booleans(),
        "USE_X_FORWARDED_PORT": st.booleans(),
        "SECURE_PROXY_SSL_HEADER": st.sampled_from(
            [None, ("HTTP_X_FORWARDED_PROTO", "https"), ("HTTP_X_SCHEME", "https")]
        ),
        "ALLOWED_HOSTS": st.sampled_from([["testserver"], [".testserver", "[::1]"], ["*"], []]),
        "DEBUG": st.booleans(),
    }
)


@given(
    headers=st.lists(st.tuples(_names, _values), max_size=6),
    options=_settings,
    scheme=st.sampled_from(["http", "https"]),
    server=st.sampled_from([("127.0.0.1", 80), ("testserver", 8000), None, ("/run/socket", None)]),
    query=st.binary(max_size=10).filter(lambda data: data.isascii()),
)
def test_it_answers_as_djangos_own_request_does(
    headers: Headers, options: dict[str, Any], scheme: str, server: object, query: bytes
) -> None:
    scope = make_scope("/a b/\u00e4", headers=headers, scheme=scheme, server=server, query_string=query)
    scope["headers"] = list(headers)  # perhaps without a host
    with override_settings(**options):
        expected = answers_of(make_django_request(dict(scope)))
        assert answers_of(read(scope)) == expected
        # And what comes after the edge finds the same.
        assert answers_of(make_django_request(scope)) == expected


def test_fastapi_sees_the_scheme_that_django_sees(settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    request, connection = addressed((b"x-forwarded-proto", b"https"))
    assert request.is_secure()
    assert str(connection.url) == "https://testserver/"
    _, connection = addressed((b"x-forwarded-proto", b"https"), type="websocket", scheme="ws")
    assert str(connection.url) == "wss://testserver/"
    request, connection = addressed((b"x-forwarded-proto", b"http"), scheme="https")
    assert not request.is_secure()
    assert str(connection.url) == "http://testserver/"


def test_a_secure_websocket_is_secure() -> None:
    assert addressed(type="websocket", scheme="wss")[0].is_secure()
    assert not addressed(type="websocket", scheme="ws")[0].is_secure()


def test_fastapi_sees_the_host_that_django_validates(settings: Settings) -> None:
    settings.USE_X_FORWARDED_HOST = True
    request, connection = addressed((b"host", b"evil/path?"), (b"x-forwarded-host", b"testserver"))
    assert request.get_host() == "testserver"
    assert str(connection.url) == "http://testserver/"
    assert connection.headers.getlist("host") == ["testserver"]


@pytest.mark.parametrize("name", [b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-for"])
def test_no_forwarding_header_counts_unless_a_setting_says_so(name: bytes) -> None:
    request, connection = addressed((name, b"https"))
    assert (request.get_host(), request.scheme) == ("testserver", "http")
    assert str(connection.url) == "http://testserver/"
    assert connection.client is not None
    assert connection.client.host == "203.0.113.9"


@pytest.mark.parametrize("name", [b"x_forwarded_host", b"x_forwarded-host", b"X_Forwarded_Host"])
def test_a_header_with_an_underscore_is_never_one_with_a_hyphen(settings: Settings, name: bytes) -> None:
    settings.USE_X_FORWARDED_HOST = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.FASTAPI_TRUSTED_PROXIES = ["10.0.0.1"]
    request, connection = addressed(
        (name, b"evil.test"), (b"x_forwarded_proto", b"https"), (b"x_forwarded_for", b"6.6.6.6"), client=PROXY
    )
    assert (request.get_host(), request.scheme, connection.scope["client"]) == ("testserver", "http", PROXY)


def test_a_trusted_proxy_says_who_the_client_is_and_which_scheme_it_took(settings: Settings) -> None:
    settings.FASTAPI_TRUSTED_PROXIES = ["10.0.0.1"]
    told = ((b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"203.0.113.1"), (b"x-forwarded-proto", b"https"))
    request, connection = addressed(*told, client=PROXY)
    assert connection.scope["client"] == ("203.0.113.1", 0)
    assert make_django_request(connection.scope).META["REMOTE_ADDR"] == "203.0.113.1"
    assert request.is_secure()
    assert connection.url.scheme == "https"


@pytest.mark.parametrize("scheme", [b"https,http", b"ftp", b"", b"HTTPS;"])
def test_a_scheme_that_is_not_one_is_not_believed(settings: Settings, scheme: bytes) -> None:
    settings.FASTAPI_TRUSTED_PROXIES = ["10.0.0.1"]
    assert addressed((b"x-forwarded-proto", scheme), client=PROXY)[0].scheme == "http"


def test_the_host_of_a_trusted_proxy_counts_if_django_is_told_so(settings: Settings) -> None:
    settings.FASTAPI_TRUSTED_PROXIES = ["10.0.0.1"]
    told = ((b"host", b"inside.test"), (b"x-forwarded-host", b"testserver"))
    assert addressed(*told, client=PROXY)[1].headers["host"] == "inside.test"
    settings.USE_X_FORWARDED_HOST = True
    assert addressed(*told, client=PROXY)[1].headers["host"] == "testserver"


def test_with_trusted_proxies_the_headers_of_others_are_taken_away(settings: Settings) -> None:
    settings.FASTAPI_TRUSTED_PROXIES = ["10.0.0.1"]
    settings.USE_X_FORWARDED_HOST = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_SCHEME", "https")
    told = (
        (b"x-forwarded-for", b"6.6.6.6"),
        (b"x-forwarded-host", b"evil.test"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-prefix", b"/evil"),
        (b"forwarded", b"for=6.6.6.6"),
        (b"x-scheme", b"https"),
        (b"x-own", b"1"),
        (b"x_forwarded_for", b"another header"),
    )
    request, connection = addressed(*told)
    assert (request.get_host(), request.scheme) == ("testserver", "http")
    assert connection.headers.keys() == ["host", "x-own", "x_forwarded_for"]
    assert connection.scope["client"] == ("203.0.113.9", 4000)


def test_the_header_proxy_is_taken_away() -> None:
    request, connection = addressed((b"proxy", b"http://evil.test"), (b"x-own", b"1"))
    assert "HTTP_PROXY" not in request.META
    assert "HTTP_PROXY" not in make_django_request(connection.scope).META
    assert connection.headers.keys() == ["host", "x-own"]


@pytest.mark.parametrize(
    "header", [(b"x", b"\0"), (b"x", b"a\r\nb: c"), (b"x\n", b""), (b"content-type", b"a;charset=\0")]
)
def test_a_header_with_a_control_character_is_refused(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(BadRequest, match="control"):
        addressed(header)


@pytest.mark.parametrize("second", [b"multipart/form-data; boundary=b", b"multipart/form-data; boundary=c", b"z", b""])
def test_a_second_content_type_is_refused_the_same_one_too(second: bytes) -> None:
    with pytest.raises(BadRequest, match="Content-Type"):
        addressed((b"content-type", b"multipart/form-data; boundary=b"), (b"content-type", second))


def test_a_scope_without_what_is_optional_is_one_too() -> None:
    scope = {"type": "websocket", "path": "/", "headers": []}
    assert read(scope).scheme == "http"
