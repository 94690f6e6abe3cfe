"""Django's sessions and CSRF tokens among the cookies of an httpx client."""

from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Final, TypeVar

import httpx
from django.conf import settings
from django.http import parse_cookie
from django.http.request import HttpHeaders
from django.middleware.csrf import CSRF_SECRET_LENGTH
from django.test.client import Client as DjangoClient
from django.utils.crypto import get_random_string

T = TypeVar("T")

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, section 9.2.1


def in_session(cookies: httpx.Cookies, base_url: httpx.URL, function: Callable[[DjangoClient], T]) -> T:
    """Let a function act on the session of the cookies, through Django's own test client; return what it returns.

    The cookie is kept without `Secure` and `Domain`: a test is not to lose it because of an `http://testserver`.

    Args:
        cookies: The client's; the session's cookie in them is replaced, or removed when the function has ended it.
        base_url: Where the cookie is for.
        function: Is given Django's test client with the session.
    """
    name = settings.SESSION_COOKIE_NAME
    django_client = DjangoClient()
    for cookie in cookies.jar:
        if cookie.name == name and cookie.value is not None:
            django_client.cookies[name] = cookie.value
    result = function(django_client)
    for cookie in list(cookies.jar):
        if cookie.name == name:
            cookies.jar.clear(cookie.domain, cookie.path, cookie.name)
    if name in django_client.cookies:
        morsel = SimpleCookie({name: django_client.cookies[name].value})[name]
        morsel["path"] = settings.SESSION_COOKIE_PATH
        _extract(cookies, morsel.OutputString(), httpx.Request("GET", base_url))
    return result


def keep_session(cookies: httpx.Cookies, response: httpx.Response) -> None:
    """Keep the session's cookie that an answer sets, also where `Secure` or `Domain` would keep it from being sent.

    Args:
        cookies: The client's.
        response: The answer.
    """
    url = response.request.url
    for header in response.headers.get_list("set-cookie"):
        if header.partition("=")[0].strip() != settings.SESSION_COOKIE_NAME:
            continue
        [morsel] = SimpleCookie(header).values()
        domain: str = morsel["domain"].removeprefix(".")
        is_foreign = bool(domain) and not f".{url.host}".endswith(f".{domain}")
        if is_foreign or (morsel["secure"] and url.scheme != "https"):
            morsel.update({"domain": "" if is_foreign else morsel["domain"], "secure": ""})
            _extract(cookies, morsel.OutputString(), response.request)


def _extract(cookies: httpx.Cookies, header: str, request: httpx.Request) -> None:
    """Take over a cookie as from an answer."""
    cookies.extract_cookies(httpx.Response(200, headers=[("set-cookie", header)], request=request))


def add_csrf_token(request: httpx.Request) -> None:
    """Give a request that changes something the CSRF token a page of the site would send with it.

    The cookie it has is used, else one is made up. A token that is there already stays. With `CSRF_USE_SESSIONS` the
    token is in the session, where this does not look.
    """
    header = HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME) or "X-CSRFToken"
    if request.method in _SAFE_METHODS or header in request.headers:
        return
    cookies: str = request.headers.get("cookie", "")
    token = parse_cookie(cookies).get(settings.CSRF_COOKIE_NAME)
    if token is None:
        token = get_random_string(CSRF_SECRET_LENGTH)
        cookie = f"{settings.CSRF_COOKIE_NAME}={token}"
        request.headers["cookie"] = f"{cookies}; {cookie}" if cookies else cookie
    request.headers[header] = token
    if request.url.scheme == "https" and "origin" not in request.headers:
        request.headers.setdefault("referer", str(request.url))
