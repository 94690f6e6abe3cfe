"""What the tests of the ORM share: a small library."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from tests.project.library.models import Author, Book, Chapter, Profile, Publisher, Tag


@pytest.fixture
def library(db: None) -> SimpleNamespace:  # noqa: ARG001 (asked for, not used)
    """Give two authors, three books, three tags (one of them not active) and the chapters of a book."""
    press = Publisher.objects.create(code="press", name="The Press")
    ann = Author.objects.create(name="Ann", email="ann@example.com", publisher=press)
    bob = Author.objects.create(name="Böb", password="secret")
    Profile.objects.create(author=ann, bio="Writes.")
    first = Book.objects.create(title="First", author=ann, price=Decimal("9.50"), stock=3)
    second = Book.objects.create(title="Second", author=bob, editor=ann, status="published")
    third = Book.objects.create(title="Third", author=ann)
    red, blue = (Tag.objects.create(name=name) for name in ("red", "blue"))
    gone = Tag.objects.create(name="gone", is_active=False)
    first.tags.set([red, blue, gone])
    second.tags.set([blue])
    Chapter.objects.create(book=first, number=2, title="Two")
    Chapter.objects.create(book=first, number=1, title="One")
    return SimpleNamespace(
        press=press, ann=ann, bob=bob, first=first, second=second, third=third, red=red, blue=blue, gone=gone
    )
