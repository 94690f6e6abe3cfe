"""Django's request, for shortcuts that take either side's."""

from typing import TypeAlias

from django.http import HttpRequest
from starlette.requests import HTTPConnection

from django_fastapi.requests import django_request

AnyRequest: TypeAlias = HTTPConnection | HttpRequest
"""Starlette's request or WebSocket, or the Django request that `DjangoRequest` gives."""


def as_django(request: AnyRequest) -> HttpRequest:
    """Return Django's request for either side's; see `django_request` for what it raises."""
    return request if isinstance(request, HttpRequest) else django_request(request)
