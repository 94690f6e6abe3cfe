"""Routes for those who are not users still, and for logging in by mail."""

from http import HTTPStatus
from typing import Any

from django.contrib import auth
from fastapi import APIRouter, BackgroundTasks, Depends

from django_fastapi.auth.dependencies import current_user, public
from django_fastapi.auth.exceptions import BadCredential
from django_fastapi.auth.logins import backend_of
from django_fastapi.auth.mails import send_mail
from django_fastapi.auth.registration import activate, create_inactive_user
from django_fastapi.auth.schemas import MagicLinkIn, TokenIn
from django_fastapi.auth.settings import get_auth_settings
from django_fastapi.auth.signing import EMAIL_VERIFICATION, MAGIC_LINK, Purpose, redeem, sign
from django_fastapi.auth.users import find_by_email
from django_fastapi.languages import language_of, speaking
from django_fastapi.requests import DjangoRequest

from .guards import csrf_checked, magic_link_limits, registration_limits
from .options import Options
from .statuses import answers

_NO_CONTENT = HTTPStatus.NO_CONTENT


def add_registration_routes(router: APIRouter, options: Options) -> None:
    """Add `POST register` and `POST email/verify`."""

    def register(registration: Any, request: DjangoRequest, tasks: BackgroundTasks) -> None:
        """Make an inactive user, and send an e-mail by which they become active."""
        values: dict[str, Any] = registration.model_dump(exclude={"password"})
        user = create_inactive_user(values, registration.password.get_secret_value())
        tasks.add_task(_send, user, EMAIL_VERIFICATION, language_of(request.scope))

    register.__annotations__["registration"] = options.register_schema
    limits = [Depends(public), *registration_limits()]
    router.post("/register", status_code=_NO_CONTENT, dependencies=limits, responses=answers(429))(register)

    @router.post("/email/verify", status_code=_NO_CONTENT, dependencies=[Depends(public)], responses=answers(401))
    def verify(token: TokenIn) -> None:
        """Make the user active whom the e-mail was sent to."""
        activate(_redeem(token, EMAIL_VERIFICATION))


def add_magic_link_routes(router: APIRouter, options: Options) -> None:
    """Add `POST magic-link` and `POST magic-link/redeem`."""

    @router.post(
        "/magic-link",
        status_code=_NO_CONTENT,
        dependencies=[Depends(public), *magic_link_limits()],
        responses=answers(429),
    )
    def send_magic_link(link: MagicLinkIn, request: DjangoRequest, tasks: BackgroundTasks) -> None:
        """Send an e-mail by which one can log in. The answer is the same whether there is such a user."""
        # Afterwards, so that the time of the answer does not tell whether there was anything to send.
        tasks.add_task(_send_to_all, link.email, language_of(request.scope))

    @router.post(
        "/magic-link/redeem",
        response_model=options.user_schema,
        dependencies=[Depends(public), Depends(csrf_checked)],
        responses=answers(401, 403),
    )
    def redeem_magic_link(token: TokenIn, request: DjangoRequest) -> Any:
        """Log in with what the e-mail says, and get Django's session cookie."""
        user = _redeem(token, MAGIC_LINK)
        backend = backend_of(user)
        if backend is None:
            raise current_user.refusal()
        auth.login(request, user, backend=backend)
        request.set_user(user)
        return user


def _redeem(token: TokenIn, purpose: Purpose) -> Any:
    try:
        return redeem(token.token.get_secret_value(), purpose)
    except BadCredential:
        raise current_user.refusal() from None


def _send_to_all(email: str, language: str | None) -> None:
    for user in find_by_email(email):
        _send(user, MAGIC_LINK, language)


def _send(user: Any, purpose: Purpose, language: str | None) -> None:
    found = get_auth_settings()
    page = found.magic_link_url if purpose is MAGIC_LINK else found.email_verification_url
    token = sign(user, purpose)
    with speaking(language):
        name = purpose.name.replace("-", "_")
        send_mail(user, name, {"token": token, "link": page and page.replace("{token}", token)})
