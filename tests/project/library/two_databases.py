"""Read the library from a second database, both ways; `tests/orm/test_databases.py` runs this program."""

from typing import Any

import django
from django.conf import settings

SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}


class ReadsOfAuthorsGoElsewhere:
    """Sends what is related to an instance to a database of its own, as replicas are used."""

    def db_for_read(self, model: type[Any], **hints: Any) -> str | None:
        """Return the second database for tags of a book, and nothing else."""
        return "other" if model.__name__ == "Tag" and "instance" in hints else None

    def allow_relation(self, *_objects: Any, **_hints: Any) -> bool:
        """Let rows of either database refer to each other."""
        return True


def main() -> None:
    """Fill two databases with different rows, and compare what rows and instances give of each."""
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "django_fastapi", "tests.project.library"],
        DATABASES={"default": SQLITE, "other": dict(SQLITE)},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415 (after `django.setup()`)
    from django.db import router  # noqa: PLC0415

    from tests.project.library.models import Author, Book, Tag  # noqa: PLC0415

    for using in ("default", "other"):
        call_command("migrate", database=using, verbosity=0)
        book = Book.objects.using(using).create(
            title=f"in {using}", author=Author.objects.using(using).create(name=using)
        )
        book.tags.set([Tag.objects.using(using).create(name=f"tag of {using}")])
    assert compare("default") == [{"title": "in default", "tags": [{"name": "tag of default"}]}]
    assert compare("other") == [{"title": "in other", "tags": [{"name": "tag of other"}]}]
    router.routers = [ReadsOfAuthorsGoElsewhere()]
    assert compare("default") == [{"title": "in default", "tags": [{"name": "tag of other"}]}]


def compare(using: str) -> Any:
    """Return the books of a database, which are the same by rows and by instances."""
    from django_fastapi.orm import create_schema, plan_query  # noqa: PLC0415 (after `django.setup()`)
    from django_fastapi.orm.rows import read_rows  # noqa: PLC0415
    from tests.project.library.models import Book, Tag  # noqa: PLC0415

    tag = create_schema(Tag, fields=["name"])
    schema = create_schema(Book, fields=["title"], declared={"tags": list[tag]})  # type: ignore[valid-type]
    rows = read_rows(plan_query(schema), Book.objects.using(using))
    assert rows == [one.model_dump() for one in schema.from_queryset(Book.objects.using(using))]
    return rows


if __name__ == "__main__":
    main()
