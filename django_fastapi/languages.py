"""The language of an error's text, by Django's rules."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Self

from django.conf import settings
from django.utils import translation

from .requests import make_bare_request
from .types import Scope

_NOTE: Final = "django_fastapi.language"


def note_language(scope: Scope, language: str) -> None:
    """Have `language_of` say this of a request, whatever is active by then."""
    scope[_NOTE] = language


class Translatable(str):
    """Text in the language of the moment, that can be had in another one later.

    Args:
        say: Returns it in the language of that moment.
    """

    __slots__ = ("_say",)
    _say: Callable[[], str]

    def __new__(cls, say: Callable[[], str]) -> Self:
        """Return the text in the language of this moment."""
        text = super().__new__(cls, say())
        text._say = say
        return text

    def again(self) -> str:
        """Return it in the language of this moment."""
        return self._say()


def language_of(scope: Mapping[str, Any]) -> str | None:
    """Return the language to answer a request in; None if the project does not translate (`USE_I18N`).

    It is the one that was noted, or else activated, in the course of the request. If none was, it is what
    `LocaleMiddleware` would choose: the language cookie, then `Accept-Language`, then `LANGUAGE_CODE`, out of those in
    `LANGUAGES`. Headers that cannot be read say nothing.

    Args:
        scope: The scope of the request.
    """
    if not settings.USE_I18N:
        return None
    noted: str | None = scope.get(_NOTE)
    if noted is not None:
        return noted
    active = translation.get_language()
    if active != settings.LANGUAGE_CODE:
        return active
    try:
        return translation.get_language_from_request(make_bare_request(scope))
    except Exception:  # noqa: BLE001 (whatever it is, the error that is to be told comes first)
        return settings.LANGUAGE_CODE


def speaking(language: str | None) -> AbstractContextManager[None]:
    """Return a context in which texts are translated into a language; None leaves things as they are."""
    return nullcontext() if language is None else translation.override(language)


def is_english(language: str | None) -> bool:
    """Return whether a text in English need not be translated."""
    return language is None or language.split("-")[0] == "en"
