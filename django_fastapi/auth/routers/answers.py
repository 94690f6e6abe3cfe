"""The answers to token requests: RFC 6749, section 5, and the same in cookies."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from django.conf import settings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from django_fastapi.auth.revocation import Grant
from django_fastapi.auth.settings import get_auth_settings
from django_fastapi.problems import error_response

_REFRESH: Final = "_refresh"
_ROUTE: Final = "/token"
_SAFE: Final = "/:@!$&'()*+,="  # RFC 3986, section 3.3, but for what ends the attribute of a cookie
# RFC 6749, section 5.1. The router says `Cache-Control`.
_HEADERS: Final = {"Pragma": "no-cache"}


def oauth_error(code: str, description: str) -> Response:
    """Return an error of RFC 6749, section 5.2."""
    content = {"error": code, "error_description": description}
    return JSONResponse(content, HTTPStatus.BAD_REQUEST, headers=_HEADERS)


def refusal(request: Request) -> Response:
    """Return the 401 for a token that does not hold, whatever the reason.

    It is returned and not raised: a transaction around the route is to be committed, since a family may have ended.
    """
    headers = {"WWW-Authenticate": "Bearer"}
    return error_response(request.scope, HTTPStatus.UNAUTHORIZED, "Not authenticated", headers=headers)


def token_answer(grant: Grant) -> Response:
    """Return the answer with the tokens in its body."""
    content: dict[str, Any] = {
        "access_token": grant.access_token,
        "token_type": "Bearer",
        "expires_in": grant.expires_in,
    }
    if grant.refresh_token is not None:
        content["refresh_token"] = grant.refresh_token
    return JSONResponse(content, headers=_HEADERS)


def cookie_answer(grant: Grant, request: Request) -> Response:
    """Return the answer with the tokens in cookies that no script can read."""
    response = JSONResponse({"token_type": "Bearer", "expires_in": grant.expires_in}, headers=_HEADERS)
    _set_cookie(response, cookie_name(), grant.access_token, grant.expires_in, settings.SESSION_COOKIE_PATH)
    if grant.refresh_token is not None:
        _set_cookie(response, cookie_name(_REFRESH), grant.refresh_token, grant.refresh_expires_in, _directory(request))
    return response


def forget_cookies(response: Response, request: Request) -> Response:
    """Return a response that deletes the cookies with tokens."""
    for name, path in ((cookie_name(), settings.SESSION_COOKIE_PATH), (cookie_name(_REFRESH), _directory(request))):
        _set_cookie(response, name, "", 0, path)
    return response


def refresh_cookie(request: Request) -> str | None:
    """Return the refresh token that came in a cookie; None if there is none."""
    return (request.cookies.get(cookie_name(_REFRESH)) or None) if get_auth_settings().jwt.cookie else None


def cookie_name(suffix: str = "") -> str:
    """Return the name of the cookie with the access token, or with a suffix that of another."""
    return f"{get_auth_settings().jwt.cookie}{suffix}"


def _directory(request: Request) -> str:
    """Return the path below which the routes for tokens are: no other route is sent the refresh token."""
    # Not by the route's name: an API may have these routes several times.
    return quote(request.scope["path"].rpartition(_ROUTE)[0] + _ROUTE, safe=_SAFE)


def _set_cookie(response: Response, name: str, value: str, seconds: int, path: str) -> None:
    """Set a cookie with the attributes of Django's session cookie; it is never open to scripts."""
    same_site: Any = settings.SESSION_COOKIE_SAMESITE or None
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path=path,
        domain=settings.SESSION_COOKIE_DOMAIN,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=same_site.lower() if same_site else None,
    )
