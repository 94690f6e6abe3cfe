"""What the routes of `auth_router` take and return."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS
from django.db.models import DateTimeField
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from django_fastapi.exceptions import UnfitValue
from django_fastapi.lookups import check_text, fit


def _is_ahead(moment: datetime) -> datetime:
    if moment <= datetime.now(UTC):
        raise ValueError("must be in the future")
    return moment


def _fit(moment: datetime) -> Any:
    """Return a point in time as a column holds it: in UTC, or without `USE_TZ` a naive one."""
    try:
        return fit(DateTimeField(), moment, DEFAULT_DB_ALIAS)
    except UnfitValue as error:
        raise ValueError(str(error)) from None


class LoginIn(BaseModel):
    """A name and a password."""

    username: str = Field(description="Of the user; what it is depends on the project: an e-mail address perhaps.")
    password: SecretStr


class UserOut(BaseModel):
    """A user, as small as can be; `user_schema=` of `auth_router` says more."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    id: int | UUID | str
    username: str
    email: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, source: Any) -> Any:
        # FastAPI validates what it has validated once again.
        if isinstance(source, BaseModel) or not hasattr(source, "get_username"):
            return source
        return {
            "id": source.pk if isinstance(source.pk, int | UUID) else str(source.pk),
            "username": source.get_username(),
            "email": getattr(source, source.get_email_field_name(), None) or None,
        }


class CSRFTokenOut(BaseModel):
    """The token that unsafe requests with a session cookie send along."""

    csrf_token: str = Field(description="To be sent in the header `X-CSRFToken`, or what CSRF_HEADER_NAME says.")


class RegisterIn(BaseModel):
    """Who wants to be a user; `register_schema=` of `auth_router` has other fields of the model."""

    username: str
    email: str = Field(min_length=1, json_schema_extra={"format": "email"})
    password: SecretStr


class TokenIn(BaseModel):
    """A token out of an e-mail."""

    token: SecretStr


class MagicLinkIn(BaseModel):
    """Who wants to log in by mail."""

    email: str


class PasswordChangeIn(BaseModel):
    """The password of the user, and the one to come."""

    old_password: SecretStr
    new_password: SecretStr


class PasswordResetIn(BaseModel):
    """Who has forgotten a password."""

    email: str


class PasswordResetConfirmIn(BaseModel):
    """What the e-mail says, and the password to come."""

    uid: str
    token: SecretStr
    new_password: SecretStr


class TokenOut(BaseModel):
    """Tokens (RFC 6749, section 5.1). With the transport "cookie" they are in cookies, and not here."""

    access_token: str | None = None
    token_type: str = "Bearer"  # noqa: S105 (how to send it)
    expires_in: int = Field(description="For how many seconds the access token is taken.")
    refresh_token: str | None = None


class VerifiedOut(BaseModel):
    """That a token is valid."""

    active: bool = True


class APIKeyIn(BaseModel):
    """What an API key is to be."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, description="What the key is for.")
    expires_at: Annotated[AwareDatetime, AfterValidator(_is_ahead), AfterValidator(_fit)] | None = None

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        try:
            check_text(name)
        except UnfitValue as error:
            raise ValueError(str(error)) from None
        return name


class APIKeyOut(BaseModel):
    """An API key, without what is secret."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    prefix: str = Field(description="The part of the key that tells it from others.")
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewAPIKeyOut(APIKeyOut):
    """A new API key, with the key itself: nobody can read it again."""

    key: str
