"""`manage.py fastapi_routes`: the routes of all APIs."""

from typing import Any

from django.core.management.base import BaseCommand

from django_fastapi.management.site import ListedRoute, list_routes, load_apis

_HEADINGS = ("METHODS", "PATH", "NAME", "ENDPOINT", "SECURITY")
_OPEN = "open"
_GAP = "  "


class Command(BaseCommand):
    """List routes, one a line, and who asks for no credential."""

    help = 'Lists the routes of all APIs; "open" is one that asks for no credential.'

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Write the table."""
        rows = [_HEADINGS, *(_row(route) for api in load_apis() for route in list_routes(api))]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write(_GAP.join(map(str.ljust, row, widths)).rstrip())


def _row(route: ListedRoute) -> tuple[str, ...]:
    return route.methods, route.path, route.name or "-", route.endpoint or "-", ", ".join(route.schemes) or _OPEN
