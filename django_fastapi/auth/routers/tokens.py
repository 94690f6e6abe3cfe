"""Routes for tokens: handed out, refreshed, verified, revoked."""

from contextlib import suppress
from http import HTTPStatus

from django.contrib.auth.signals import user_logged_in
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from django_fastapi.auth.csrf import check_csrf
from django_fastapi.auth.dependencies import public
from django_fastapi.auth.exceptions import BadCredential
from django_fastapi.auth.locations import TOKEN_ROUTE
from django_fastapi.auth.logins import verify_login
from django_fastapi.auth.models import require_store
from django_fastapi.auth.revocation import Grant, end, grant, has_refresh_tokens, rotate
from django_fastapi.auth.schemas import TokenOut, VerifiedOut
from django_fastapi.auth.schemes.jwt import JWTAuth, Token
from django_fastapi.auth.settings import get_auth_settings
from django_fastapi.requests import DjangoRequest, FastAPIRequest

from .answers import cookie_answer, forget_cookies, oauth_error, refresh_cookie, refusal, token_answer
from .guards import token_limits
from .parameters import Parameters, SentParameters, body_of
from .statuses import answers

_PASSWORD = "password"  # noqa: S105 (a grant type)
_REFRESH_TOKEN = "refresh_token"  # noqa: S105 (the same)
_TRANSPORT = "transport"
_COOKIE = "cookie"


def add_token_routes(router: APIRouter) -> None:
    """Add `POST token`, `token/refresh`, `token/verify` and `token/revoke`.

    Raises:
        ConfigurationError: There are refresh tokens, and no table for them.
    """
    if has_refresh_tokens():
        require_store("`auth_router(jwt=True)`")
    _add_token(router)
    _add_refresh(router)
    _add_verify(router)
    _add_revoke(router)


def _add_token(router: APIRouter) -> None:
    @router.post(
        "/token",
        name=TOKEN_ROUTE,
        response_model=TokenOut,
        dependencies=[Depends(public), *token_limits()],
        responses=answers(403, 429),
        openapi_extra=body_of("username", "password", optional=("grant_type", "refresh_token", "transport")),
    )
    def token(parameters: SentParameters, django_request: DjangoRequest, request: Request) -> Response:
        """Hand out tokens for a name and a password (RFC 6749, section 4.3), or for a refresh token (section 6)."""
        if parameters.is_malformed:
            return oauth_error("invalid_request", "The body cannot be read, or has a parameter twice.")
        kind = parameters.get("grant_type") or _PASSWORD
        if kind not in (_PASSWORD, _REFRESH_TOKEN):
            return oauth_error("unsupported_grant_type", "It is one of: password, refresh_token.")
        if parameters.get(_TRANSPORT) == _COOKIE:
            if get_auth_settings().jwt.cookie is None:
                return oauth_error("invalid_request", "There is no cookie for tokens.")
            # Else another site could have its visitors logged in as somebody else.
            check_csrf(django_request)
        try:
            granted = _by_password(parameters, django_request) if kind == _PASSWORD else _by_token(parameters)
        except BadCredential:
            return oauth_error("invalid_grant", "The credentials are not valid.")
        if granted is None:
            return oauth_error("invalid_request", "A parameter is missing.")
        return cookie_answer(granted, request) if parameters.get(_TRANSPORT) == _COOKIE else token_answer(granted)


def _add_refresh(router: APIRouter) -> None:
    @router.post(
        "/token/refresh",
        response_model=TokenOut,
        dependencies=[Depends(public)],
        responses=answers(401, 403),
        openapi_extra=body_of(_REFRESH_TOKEN),
    )
    def refresh(parameters: SentParameters, django_request: DjangoRequest, request: Request) -> Response:
        """Hand out new tokens for a refresh token, which is used up by that."""
        sent, cookie = parameters.get(_REFRESH_TOKEN), refresh_cookie(request)
        if sent is None and cookie is not None:
            check_csrf(django_request)
            try:
                return cookie_answer(rotate(cookie), request)
            except BadCredential:
                return forget_cookies(refusal(request), request)
        try:
            return token_answer(rotate(sent or ""))
        except BadCredential:
            return refusal(request)


def _add_verify(router: APIRouter) -> None:
    @router.post(
        "/token/verify",
        response_model=VerifiedOut,
        dependencies=[Depends(public)],
        responses=answers(401),
        openapi_extra=body_of("token"),
    )
    def verify(parameters: SentParameters, django_request: DjangoRequest, request: Request) -> Response:
        """Tell whether an access token is valid now: its user is looked for in the database."""
        try:
            JWTAuth().authenticate(Token(parameters.get("token") or ""), django_request)
        except BadCredential:
            return refusal(request)
        return JSONResponse({"active": True})


def _add_revoke(router: APIRouter) -> None:
    @router.post(
        "/token/revoke",
        dependencies=[Depends(public)],
        responses=answers(403),
        openapi_extra=body_of("token", optional=("token_type_hint",)),
    )
    def revoke(parameters: SentParameters, django_request: DjangoRequest, request: Request) -> Response:
        """End the family of a refresh token (RFC 7009); for a token that is not valid the answer is the same."""
        sent, cookie = parameters.get("token"), refresh_cookie(request)
        if sent is None and cookie is not None:
            check_csrf(django_request)
        if (text := sent or cookie) is None or parameters.is_malformed:
            return oauth_error("invalid_request", "A parameter is missing, or is no text.")
        with suppress(BadCredential):  # RFC 7009, section 2.2: there is nothing left to do
            end(text)
        response = JSONResponse({}, HTTPStatus.OK)
        return response if sent is not None else forget_cookies(response, request)


def _by_password(parameters: Parameters, request: FastAPIRequest) -> Grant | None:
    """Return tokens for a name and a password; None if one is missing.

    Raises:
        BadCredential: They are wrong.
    """
    username, password = parameters.get("username"), parameters.get("password")
    if username is None or password is None:
        return None
    user = verify_login(request, username, password)
    if user is None:
        raise BadCredential("Name and password do not belong to an active user.")
    user_logged_in.send(sender=type(user), request=request, user=user)
    return grant(user)


def _by_token(parameters: Parameters) -> Grant | None:
    text = parameters.get(_REFRESH_TOKEN)
    return None if text is None else rotate(text)
