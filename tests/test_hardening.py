from collections.abc import Sequence
from typing import Any

import django
import pytest
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.test import override_settings
from hypothesis import given, strategies as st
from pytest_django import Settings

from django_fastapi.addresses import AddressedRequest
from django_fastapi.hardening import Hardening

from .asgi import make_scope

SECURITY = "django.middleware.security.SecurityMiddleware"
FRAMES = "django.middleware.clickjacking.XFrameOptionsMiddleware"
POLICY = "django.middleware.csp.ContentSecurityPolicyMiddleware"
HAS_POLICY = django.VERSION >= (6, 0)
STRICT = {"default-src": ["'self'"], "img-src": ["*"]}

Headers = list[tuple[bytes, bytes]]


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def added(*middleware: str, secure: bool = False) -> dict[bytes, bytes]:
    with override_settings(MIDDLEWARE=list(middleware)):
        return dict(Hardening.from_settings().add_headers(start(), is_secure=secure)["headers"])


class Renamed(XFrameOptionsMiddleware):
    """A subclass, as projects write them."""

    def get_xframe_options_value(self, request: HttpRequest, response: HttpResponse) -> str:  # noqa: ARG002
        return "SAMEORIGIN" if request.path.startswith("/frame") else "DENY"


class Calling(SecurityMiddleware):
    """A subclass with a `__call__` of its own."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = super().__call__(request)
        response.headers["Permissions-Policy"] = "camera=()"
        del response.headers["X-Powered-By"]
        response.set_cookie("seen", "1")
        return response  # type: ignore[return-value]  # the stubs allow an awaitable


class Unused(SecurityMiddleware):
    """A subclass that takes itself out."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        raise MiddlewareNotUsed


def answering(get_response: Any) -> Any:
    """Be a middleware that is a function."""
    return get_response


def test_the_headers_are_those_of_the_classes_that_middleware_lists() -> None:
    assert added() == {}
    assert added(FRAMES) == {b"x-frame-options": b"DENY"}
    assert added(SECURITY) == {
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"same-origin",
        b"cross-origin-opener-policy": b"same-origin",
    }
    others = ["django.middleware.common.CommonMiddleware", f"{__name__}.answering", f"{__name__}.Unused"]
    assert added(*others) == {}


def test_the_values_are_those_of_the_settings(settings: Settings) -> None:
    settings.X_FRAME_OPTIONS = "sameorigin"
    settings.SECURE_CONTENT_TYPE_NOSNIFF = False
    settings.SECURE_REFERRER_POLICY = "origin, no-referrer"
    settings.SECURE_CROSS_ORIGIN_OPENER_POLICY = None
    assert added(SECURITY, FRAMES) == {b"x-frame-options": b"SAMEORIGIN", b"referrer-policy": b"origin,no-referrer"}


def test_strict_transport_security_is_for_secure_requests(settings: Settings) -> None:
    settings.SECURE_HSTS_SECONDS = 60
    settings.SECURE_HSTS_PRELOAD = True
    assert b"strict-transport-security" not in added(SECURITY)
    assert added(SECURITY, secure=True)[b"strict-transport-security"] == b"max-age=60; preload"


def test_a_path_in_middleware_that_is_wrong_is_an_error(settings: Settings) -> None:
    settings.MIDDLEWARE = ["no.such.Middleware"]
    with pytest.raises(ImportError):
        Hardening.from_settings()


_NAMES = (
    b"x-frame-options X-Frame-Options referrer-policy x-content-type-options content-type strict-transport-security "
    b"cross-origin-opener-policy content-security-policy content-security-policy-report-only x-own"
).split()
_headers = st.lists(
    st.tuples(st.sampled_from(_NAMES), st.sampled_from([b"", b"DENY", b"text/html", b"default-src 'none'", b"\xe4"])),
    max_size=4,
    unique_by=lambda header: header[0].lower(),
)
_policies: st.SearchStrategy[dict[str, Any]] = st.sampled_from([{}, STRICT])
_options = st.fixed_dictionaries(
    {
        "DEBUG": st.booleans(),
        "X_FRAME_OPTIONS": st.sampled_from(["DENY", "SAMEORIGIN"]),
        "SECURE_HSTS_SECONDS": st.sampled_from([0, 60]),
        "SECURE_CONTENT_TYPE_NOSNIFF": st.booleans(),
        "SECURE_CSP": _policies,
        "SECURE_CSP_REPORT_ONLY": _policies,
    }
)


@given(status=st.sampled_from([200, 301, 404, 500, 599]), headers=_headers, is_secure=st.booleans(), options=_options)
def test_what_is_worked_out_once_is_what_django_does_each_time(
    status: int, headers: Headers, *, is_secure: bool, options: dict[str, Any]
) -> None:
    """Django's own classes depend on nothing but settings, scheme, status, and the headers that are there."""
    with override_settings(MIDDLEWARE=[SECURITY, FRAMES, *([POLICY] if HAS_POLICY else [])], **options):
        hardening = Hardening.from_settings()
        scope = make_scope("/any/path", "POST", scheme="https" if is_secure else "http", query_string=b"a=b")
        request = AddressedRequest(scope, {"HTTP_HOST": "testserver"})
        message = start(*headers, status=status)
        hardening.process_request(request)
        expected = hardening.process_response(request, message)
        for _ in range(2):
            answer = hardening.add_headers(message, is_secure=is_secure)
            assert sorted(answer["headers"]) == sorted(expected["headers"])


def test_only_djangos_own_classes_are_worked_out_once(settings: Settings) -> None:
    settings.MIDDLEWARE = [SECURITY, FRAMES]
    assert not Hardening.from_settings().needs_request
    settings.MIDDLEWARE = [SECURITY, f"{__name__}.Renamed"]
    assert Hardening.from_settings().needs_request
    assert Hardening.from_settings().needs_thread


@pytest.mark.parametrize(("path", "value"), [("/frame/1", b"SAMEORIGIN"), ("/other", b"DENY")])
def test_a_subclass_is_asked_about_each_request(settings: Settings, path: str, value: bytes) -> None:
    settings.MIDDLEWARE = [f"{__name__}.Renamed"]
    request = AddressedRequest(make_scope(path), {})
    answer = Hardening.from_settings().process_response(request, start((b"x-own", b"1")))
    assert answer["headers"] == [(b"x-own", b"1"), (b"x-frame-options", value)]


def test_a_call_of_a_subclasss_own_is_called(settings: Settings) -> None:
    settings.MIDDLEWARE = [f"{__name__}.Calling"]
    headers = ((b"set-cookie", b"a=1"), (b"x-powered-by", b"me"), (b"set-cookie", b"b=2"), (b"x-own", b"\xe4"))
    answer = Hardening.from_settings().process_response(AddressedRequest(make_scope(), {}), start(*headers))
    assert answer["headers"] == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"x-own", b"\xe4"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"permissions-policy", b"camera=()"),
        (b"set-cookie", b"seen=1; Path=/"),
    ]


@pytest.mark.parametrize(("path", "target"), [("/a b", "https://testserver/a%20b?c=d"), ("/plain/x", None)])
def test_the_redirect_to_https_is_djangos(settings: Settings, path: str, target: str | None) -> None:
    settings.MIDDLEWARE = [FRAMES, SECURITY]
    assert not Hardening.from_settings().asks_first
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = ["^plain/"]
    hardening = Hardening.from_settings()
    assert hardening.asks_first
    request = AddressedRequest(make_scope(path, query_string=b"c=d"), {"HTTP_HOST": "testserver"})
    answer = hardening.process_request(request)
    assert (answer and answer.headers["Location"]) == target


if HAS_POLICY:

    def policy_of(hardening: Hardening, request: HttpRequest, *headers: tuple[bytes, bytes]) -> Sequence[bytes]:
        answer = hardening.process_response(request, start(*headers))
        return [value for name, value in answer["headers"] if name == b"content-security-policy"]

    def test_a_policy_is_set_unless_the_answer_has_one(settings: Settings) -> None:
        settings.SECURE_CSP = STRICT
        assert added(POLICY) == {b"content-security-policy": b"default-src 'self'; img-src *"}
        settings.MIDDLEWARE = [POLICY]
        own = (b"content-security-policy", b"img-src 'self'")
        assert Hardening.from_settings().add_headers(start(own), is_secure=False)["headers"] == [own]

    def test_a_policy_with_a_place_for_a_nonce_needs_the_request_in_which_the_template_found_it(
        settings: Settings,
    ) -> None:
        from django.middleware.csp import get_nonce  # noqa: PLC0415 (Django 6)
        from django.utils.csp import CSP  # noqa: PLC0415

        settings.MIDDLEWARE = [SECURITY, POLICY]
        settings.SECURE_CSP = {"script-src": [CSP.SELF, CSP.NONCE]}
        settings.SECURE_SSL_REDIRECT = True
        hardening = Hardening.from_settings()
        assert hardening.needs_request
        assert not hardening.needs_thread
        request = AddressedRequest(make_scope(scheme="https"), {})
        hardening.process_request(request)
        assert policy_of(hardening, request) == [b"script-src 'self'"]
        nonce = str(get_nonce(request))
        assert policy_of(hardening, request) == [f"script-src 'self' 'nonce-{nonce}'".encode()]


def test_a_status_that_django_does_not_know_is_left_as_it_is() -> None:
    with override_settings(MIDDLEWARE=[FRAMES]):
        hardening = Hardening.from_settings()
    message = hardening.add_headers(start(status=999), is_secure=False)
    assert (message["status"], dict(message["headers"])[b"x-frame-options"]) == (999, b"DENY")
