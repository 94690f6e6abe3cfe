"""The paths of the Django views."""

from typing import Any

from bench.work import register

urlpatterns: list[Any] = []
register("django", urlpatterns)
