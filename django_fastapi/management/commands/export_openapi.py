"""`manage.py export_openapi`: the OpenAPI document of an API, as a file."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_fastapi import settings
from django_fastapi.management.documents import list_changes
from django_fastapi.management.site import load_apis
from django_fastapi.openapi import describe
from django_fastapi.registry import DEFAULT_NAME


class Command(BaseCommand):
    """Write a document, or compare it with a file."""

    help = "Writes the OpenAPI document of an API."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--api", default=DEFAULT_NAME, help="The name of the API (default: the default one).")
        parser.add_argument("--output", type=Path, help="The file to write (default: standard output).")
        parser.add_argument(
            "--check", action="store_true", help="Write nothing; fail if the file is not what would be written."
        )

    def handle(self, *_args: Any, api: str, output: Path | None, check: bool, **_options: Any) -> None:
        """Write, or compare.

        Raises:
            CommandError: There is no such API, or the file is stale, or it can be neither written nor read.
        """
        document = _document(api)
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        if output is None:
            if check:
                raise CommandError("--check compares with a file: name it with --output.")
            self.stdout.write(text, ending="")
            return
        try:
            if check:
                _compare(output, document, text)
            else:
                output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{output} cannot be used: {error.strerror}.") from error


def _document(name: str) -> dict[str, Any]:
    apis = {one.name: one for one in load_apis()}
    if name not in apis:
        raise CommandError(f"There is no API {name!r}; there are: {', '.join(sorted(apis))}.")
    return describe(apis[name].api, settings.ROOT_PATH.get() + apis[name].prefix)


def _compare(file: Path, document: dict[str, Any], text: str) -> None:
    if not file.exists():
        raise CommandError(f"{file} does not exist. Write it with `export_openapi --output {file}`.")
    try:
        found = file.read_text(encoding="utf-8")
        if found == text:
            return
        changes = list_changes(json.loads(found), document) or ["the order or the layout"]
    except ValueError:
        changes = ["it is no OpenAPI document"]
    raise CommandError("\n".join([f"{file} is stale. Write it anew with `export_openapi --output {file}`.", *changes]))
