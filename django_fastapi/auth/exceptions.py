"""The exceptions of `django_fastapi.auth`.

::

    DjangoFastAPIError
    ├── BadCredential           a credential that is there and is no good; answered like one that is missing
    ├── NotAuthenticated        nobody is logged in: 401
    └── NotPermitted            somebody is, and may not: 403
        └── CSRFRejected        a request with a cookie that another site may have sent
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import ClassVar

from starlette.exceptions import HTTPException

from django_fastapi.exceptions import DjangoFastAPIError


class BadCredential(DjangoFastAPIError):
    """A scheme's own credential came with the request, and it does not hold.

    Clients are never told why: the message is for the log. It must not repeat the credential.
    """


class NotAuthenticated(DjangoFastAPIError, HTTPException):
    """The request shows no valid credential; a 401 with the same words whatever is wrong with it.

    Args:
        challenges: What the schemes in use have for `WWW-Authenticate` (RFC 9110, section 11.6.1).
    """

    close_code: ClassVar[int] = 4401
    """How a WebSocket is closed that was accepted before."""

    def __init__(self, challenges: Iterable[str]) -> None:
        headers = {"WWW-Authenticate": ", ".join(challenges)}
        HTTPException.__init__(self, HTTPStatus.UNAUTHORIZED, detail="Not authenticated", headers=headers)


class NotPermitted(DjangoFastAPIError, HTTPException):
    """The user is known, and may not do this; a 403.

    Args:
        detail: What to tell the client.
    """

    close_code: ClassVar[int] = 4403
    """How a WebSocket is closed that was accepted before."""

    def __init__(self, detail: str = "Not permitted") -> None:
        HTTPException.__init__(self, HTTPStatus.FORBIDDEN, detail=detail)


class CSRFRejected(NotPermitted):
    """Django's CSRF check refuses the request; why is in the log of `django.security.csrf`."""

    def __init__(self) -> None:
        super().__init__("CSRF verification failed")
