"""An archive: keys of every kind, and columns that a list can be filtered and ordered by."""

import uuid
from typing import Any

from django.db import models


class Shelfmark:
    """A key with a type of its own: `A-12`."""

    def __init__(self, text: str) -> None:
        hall, number = text.split("-")
        self.hall, self.number = hall.upper(), int(number)

    def __str__(self) -> str:
        return f"{self.hall}-{self.number}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shelfmark) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class ShelfmarkField(models.Field):
    """Stored as text, `to_python` lets several spellings pass, and breaks as `str.split` and `int` do."""

    def get_internal_type(self) -> str:
        return "CharField"

    def to_python(self, value: Any) -> Any:
        return value if value is None or isinstance(value, Shelfmark) else Shelfmark(value)

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return self.to_python(value)

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else str(self.to_python(value))


class Genre(models.Model):
    code = models.CharField(max_length=10, primary_key=True)
    rank = models.SmallIntegerField(null=True)

    class Meta:
        ordering = ["-rank", "code"]


class Author(models.Model):
    name = models.CharField(max_length=50)
    born = models.DateField(null=True)
    genre = models.ForeignKey(Genre, models.SET_NULL, null=True)

    class Meta:
        ordering = ["name"]


class Profile(models.Model):
    author = models.OneToOneField(Author, models.CASCADE, primary_key=True)
    motto = models.CharField(max_length=100)


class Tag(models.Model):
    name = models.CharField(max_length=20, unique=True)


class Book(models.Model):
    title = models.CharField(max_length=30)
    isbn = models.CharField(max_length=13, unique=True, null=True)
    author = models.ForeignKey(Author, models.CASCADE, null=True, related_name="books")
    price = models.DecimalField(max_digits=6, decimal_places=2, default=0)
    stock = models.PositiveSmallIntegerField(default=0)
    weight = models.FloatField(null=True)
    published = models.DateTimeField(null=True)
    reading_time = models.DurationField(null=True)
    address = models.GenericIPAddressField(null=True)
    extra = models.JSONField(default=dict)
    tags = models.ManyToManyField(Tag, related_name="books")


class Copy(models.Model):
    key = models.UUIDField(primary_key=True, default=uuid.uuid4)
    book = models.ForeignKey(Book, models.CASCADE, related_name="copies")


class Seat(models.Model):
    pk = models.CompositePrimaryKey("room", "number")
    room = models.CharField(max_length=5)
    number = models.SmallIntegerField()
    note = models.CharField(max_length=20, blank=True)


class Shelf(models.Model):
    mark = ShelfmarkField(max_length=10, primary_key=True)


class Fee(models.Model):
    amount = models.DecimalField(max_digits=5, decimal_places=2, primary_key=True)


class Opening(models.Model):
    moment = models.DateTimeField(primary_key=True)


class Entry(models.Model):
    """A row whose columns repeat and are NULL, for lists in many orders."""

    number = models.IntegerField(null=True)
    word = models.CharField(max_length=10, null=True)
    amount = models.DecimalField(max_digits=6, decimal_places=2, null=True)
    moment = models.DateTimeField(null=True)
    author = models.ForeignKey(Author, models.SET_NULL, null=True)
    rank = models.SmallIntegerField(default=0)
