"""Django's messages: what to tell the visitor on the next page, from synchronous and async code.

The functions are those of `django.contrib.messages`, and take Starlette's requests as well::

    from django_fastapi.shortcuts import messages

    messages.success(request, "The city was saved.")
"""

from typing import TYPE_CHECKING, Any, TypeAlias, cast

from asgiref.sync import sync_to_async
from django.contrib.messages import api, constants
from django.contrib.messages.constants import (
    DEBUG as DEBUG,
    ERROR as ERROR,
    INFO as INFO,
    SUCCESS as SUCCESS,
    WARNING as WARNING,
)
from django.http import HttpRequest
from django.utils.functional import Promise

from .awaiting import here_or_awaited
from .requests import AnyRequest, as_django

if TYPE_CHECKING:
    from django.contrib.messages.storage.base import Message

Text: TypeAlias = str | Promise
"""The text of a message; a lazy translation is made when the message is saved, in the language of that moment."""


def add_message(
    request: AnyRequest, level: int, message: Text, extra_tags: str = "", *, fail_silently: bool = False
) -> None:
    """Add a message, unless its level is below `MESSAGE_LEVEL`. It is saved when the response begins.

    Args:
        request: Starlette's or Django's.
        level: `DEBUG`, `INFO`, `SUCCESS`, `WARNING`, `ERROR`, or a level of the project's own.
        message: The text.
        extra_tags: Further tags, separated by spaces.
        fail_silently: Whether to do nothing where the project has no messages.

    Raises:
        django.contrib.messages.MessageFailure: `MIDDLEWARE` does not list `MessageMiddleware`.
    """
    api.add_message(as_django(request), level, cast("Any", message), extra_tags, fail_silently)


def debug(request: AnyRequest, message: Text, extra_tags: str = "", *, fail_silently: bool = False) -> None:
    """Add a message for developers; see `add_message`."""
    add_message(request, constants.DEBUG, message, extra_tags, fail_silently=fail_silently)


def info(request: AnyRequest, message: Text, extra_tags: str = "", *, fail_silently: bool = False) -> None:
    """Add a message that something is so; see `add_message`."""
    add_message(request, constants.INFO, message, extra_tags, fail_silently=fail_silently)


def success(request: AnyRequest, message: Text, extra_tags: str = "", *, fail_silently: bool = False) -> None:
    """Add a message that something was done; see `add_message`."""
    add_message(request, constants.SUCCESS, message, extra_tags, fail_silently=fail_silently)


def warning(request: AnyRequest, message: Text, extra_tags: str = "", *, fail_silently: bool = False) -> None:
    """Add a message that something may go wrong; see `add_message`."""
    add_message(request, constants.WARNING, message, extra_tags, fail_silently=fail_silently)


def error(request: AnyRequest, message: Text, extra_tags: str = "", *, fail_silently: bool = False) -> None:
    """Add a message that something was not done; see `add_message`."""
    add_message(request, constants.ERROR, message, extra_tags, fail_silently=fail_silently)


def get_messages(request: AnyRequest) -> "list[Message]":
    """Return the messages there are, of earlier requests and of this one; they will not be there again.

    On the event loop it returns what can only be awaited; typed async code uses `aget_messages`.
    """
    django_request = as_django(request)
    found: list[Message] = here_or_awaited("get_messages(request)", lambda: _take(django_request))
    return found


async def aget_messages(request: AnyRequest) -> "list[Message]":
    """Return the messages there are; see `get_messages`."""
    return await sync_to_async(_take)(as_django(request))


def _take(django_request: HttpRequest) -> "list[Message]":
    return list(api.get_messages(django_request))


def get_level(request: AnyRequest) -> int:
    """Return the lowest level that is kept for this request."""
    return api.get_level(as_django(request))


def set_level(request: AnyRequest, level: int) -> bool:
    """Set the lowest level that is kept for this request; return whether the project has messages."""
    return api.set_level(as_django(request), level)
