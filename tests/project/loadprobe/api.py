"""Routes that show what a request's thread and connection do under load."""

import os
from typing import Any

from django.core.signals import request_started

from django_fastapi import api

from . import control, reading, state, streaming, writing

for module in (control, reading, state, streaming, writing):
    api.include_router(module.router)
api.include_router(control.first)


def _listen(**_: Any) -> None:
    """Be somebody who hears of requests, and so gives each a thread."""


if os.environ.get("LOAD_LISTENER") == "1":
    request_started.connect(_listen)
