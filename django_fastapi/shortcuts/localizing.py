"""The language and the time zone of a request, for all that answers it."""

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import tzinfo
from inspect import Parameter, Signature
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils import timezone, translation
from fastapi import Depends
from starlette.requests import HTTPConnection

from django_fastapi.exceptions import ConfigurationError
from django_fastapi.languages import note_language
from django_fastapi.requests import FastAPIRequest, django_request
from django_fastapi.visitors import LOCALE, is_djangos_own

_CONNECTION: Final = "connection"
_LANGUAGE: Final = "language"
_TIME_ZONE: Final = "time_zone"


def localize(
    *,
    language: Callable[..., Any] | None = None,
    time_zone: Callable[..., Any] | None = None,
) -> Any:
    """Return a dependency by which a request has a language and a time zone, for its endpoint and its dependencies.

    ::

        async def preferred_language(user: CurrentUser) -> str | None:
            return user.profile.language

        api = FastAPI(dependencies=[localize(language=preferred_language)])

    The language is the one that the user prefers, if `language` says so, or else what the project's `LocaleMiddleware`
    chooses: by the language cookie, then `Accept-Language`, then `LANGUAGE_CODE`. The time zone is the one that
    `time_zone` says, or else `TIME_ZONE`. Both hold for dependencies that come later, the endpoint, its response (a
    stream too), background tasks and the text of errors, and for nothing else. `Content-Language` and `Vary` are set.

    Args:
        language: A dependency that returns a language code, or None. One that is not in `LANGUAGES` counts as None.
        time_zone: A dependency that returns the name of a time zone, a `tzinfo`, or None. A name that does not exist
            counts as None.

    Returns:
        A `fastapi.Depends`, for `dependencies=[localize()]` of an application, a router or a route.
    """
    return Depends(_Localize(language, time_zone))


@dataclass(frozen=True)  # no slots: FastAPI finds the signature in the dictionary of the instance
class _Localize:
    """The dependency behind `localize`: equal by its arguments, so that an override finds it."""

    language: Callable[..., Any] | None
    time_zone: Callable[..., Any] | None

    def __post_init__(self) -> None:
        parameters = [Parameter(_CONNECTION, Parameter.KEYWORD_ONLY, annotation=HTTPConnection)]
        for name, preference in ((_LANGUAGE, self.language), (_TIME_ZONE, self.time_zone)):
            if preference is not None:
                annotation = Annotated[Any, Depends(preference)]
                parameters.append(Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation))
        object.__setattr__(self, "__signature__", Signature(parameters))

    async def __call__(self, **values: Any) -> AsyncIterator[None]:
        """Activate both until the end of the request."""
        connection: HTTPConnection = values[_CONNECTION]
        language = await _choose_language(django_request(connection), values.get(_LANGUAGE))
        with translation.override(language), timezone.override(_find_time_zone(values.get(_TIME_ZONE))):
            if language is not None:
                # Errors are answered after the end of the dependencies.
                note_language(connection.scope, language)
            yield


async def _choose_language(request: FastAPIRequest, preferred: str | None) -> str | None:
    """Return the language, and write it onto the request; None if the project has none (`USE_I18N`).

    Raises:
        ConfigurationError: `MIDDLEWARE` does not list `LocaleMiddleware`.
    """
    if not settings.USE_I18N:
        return translation.get_language()
    ask = functools.partial(getattr, request, "LANGUAGE_CODE", None)
    # A middleware of the project's own may ask the database.
    chosen: str | None = ask() if is_djangos_own(LOCALE) else await sync_to_async(ask)()
    if chosen is None:
        raise ConfigurationError('`localize()` needs "django.middleware.locale.LocaleMiddleware" in MIDDLEWARE.')
    if preferred is not None:
        with suppress(LookupError):
            request.LANGUAGE_CODE = chosen = translation.get_supported_language_variant(preferred)
    return chosen


def _find_time_zone(preferred: str | tzinfo | None) -> tzinfo | None:
    if not isinstance(preferred, str):
        return preferred
    try:
        return ZoneInfo(preferred)
    except (LookupError, ValueError, OSError):  # no such zone; no name of one; the folder of several
        return None
