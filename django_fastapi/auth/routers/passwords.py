"""Routes for passwords: a new one for the user who is logged in, and for one who has forgotten it."""

from http import HTTPStatus
from typing import Annotated, Any

from django.contrib import auth
from django.contrib.auth.tokens import default_token_generator
from fastapi import APIRouter, BackgroundTasks, Depends

from django_fastapi.auth.dependencies import current_user, public
from django_fastapi.auth.django_auth import password_change_form, password_reset_form, set_password_form
from django_fastapi.auth.forms import check_form
from django_fastapi.auth.mails import send_mail
from django_fastapi.auth.requirements import LoggedIn
from django_fastapi.auth.schemas import PasswordChangeIn, PasswordResetConfirmIn, PasswordResetIn
from django_fastapi.auth.sessions import is_in_session
from django_fastapi.auth.settings import get_auth_settings
from django_fastapi.auth.users import (
    check_password,
    encode_key,
    find_by_encoded_key,
    find_user,
    identity_of,
    is_active,
)
from django_fastapi.languages import language_of, speaking
from django_fastapi.requests import DjangoRequest, FastAPIRequest

from .guards import password_limits, reset_limits
from .statuses import answers

_NO_CONTENT = HTTPStatus.NO_CONTENT
_NAMES = {"new_password1": "new_password", "new_password2": "new_password"}


def add_password_routes(router: APIRouter) -> None:
    """Add `POST password/change`, `password/reset` and `password/reset/confirm`."""

    @router.post("/password/change", status_code=_NO_CONTENT, dependencies=password_limits(), responses=answers(429))
    def change(passwords: PasswordChangeIn, user: Annotated[Any, Depends(LoggedIn())], request: DjangoRequest) -> None:
        """Set a new password. All other sessions of the user end, and the tokens."""
        old, new = passwords.old_password.get_secret_value(), passwords.new_password.get_secret_value()
        # The user of the request may be one of the cache, whose columns are of a minute ago.
        found: Any = find_user(identity_of(user))
        if found is None or not is_active(found):
            raise current_user.refusal()
        form = password_change_form(found, old, new)
        _check_passwords(form, request)
        form.save()
        if is_in_session(found, request):
            auth.update_session_auth_hash(request, found)

    @router.post(
        "/password/reset",
        status_code=_NO_CONTENT,
        dependencies=[Depends(public), *reset_limits()],
        responses=answers(429),
    )
    def reset(reset: PasswordResetIn, request: DjangoRequest, tasks: BackgroundTasks) -> None:
        """Send an e-mail by which a new password can be set. The answer is the same whether there is such a user."""
        form = password_reset_form(reset.email)
        check_form(form, {}, request.scope)
        # Afterwards, so that the time of the answer does not tell whether there was anything to send.
        tasks.add_task(_send_links, form, language_of(request.scope))

    @router.post(
        "/password/reset/confirm", status_code=_NO_CONTENT, dependencies=[Depends(public)], responses=answers(401)
    )
    def confirm(confirmation: PasswordResetConfirmIn, request: DjangoRequest) -> None:
        """Set the new password of the user whom the e-mail was sent to."""
        user = find_by_encoded_key(confirmation.uid)
        if not default_token_generator.check_token(user, confirmation.token.get_secret_value()):
            raise current_user.refusal()
        form = set_password_form(user, confirmation.new_password.get_secret_value())
        _check_passwords(form, request)
        form.save()


def _check_passwords(form: Any, request: FastAPIRequest) -> None:
    form.fields["new_password1"].validators.append(check_password)
    check_form(form, _NAMES, request.scope)


def _send_links(form: Any, language: str | None) -> None:
    page = get_auth_settings().password_reset_url
    for user in form.get_users(form.cleaned_data["email"]):
        uid, token = encode_key(user), default_token_generator.make_token(user)
        link = page and page.replace("{uid}", uid).replace("{token}", token)
        with speaking(language):
            send_mail(user, "password_reset", {"uid": uid, "token": token, "link": link})
