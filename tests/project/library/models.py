"""Models for the tests of the ORM: every kind of field and relation that every database has."""

import uuid
from decimal import Decimal

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now, Upper


class Publisher(models.Model):
    code = models.SlugField(max_length=20, unique=True)
    name = models.CharField(max_length=100)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="imprints")

    class Meta:
        ordering = ["code"]


class Author(models.Model):
    name = models.CharField(max_length=100, help_text="As on the title page.")
    email = models.EmailField(blank=True)
    password = models.CharField(max_length=100, blank=True)
    publisher = models.ForeignKey(
        Publisher, models.PROTECT, to_field="code", null=True, blank=True, related_name="authors"
    )
    friends = models.ManyToManyField("self", blank=True)

    class Meta:
        ordering = ["name"]

    @property
    def shout(self) -> str:
        return self.name.upper()

    @property
    def publisher_name(self) -> str:
        return self.publisher.name if self.publisher else ""


class Profile(models.Model):
    author = models.OneToOneField(Author, models.CASCADE)
    bio = models.TextField(blank=True)


class ActiveManager(models.Manager["Tag"]):
    def get_queryset(self) -> "models.QuerySet[Tag]":
        return super().get_queryset().filter(is_active=True)


class Tag(models.Model):
    name = models.CharField(max_length=50)
    is_active = models.BooleanField(default=True)

    objects = ActiveManager()

    class Meta:
        ordering = ["-name"]


class Book(models.Model):
    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"

    title = models.CharField(max_length=200)
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    editor = models.ForeignKey(Author, models.SET_NULL, null=True, blank=True, related_name="edited")
    tags = models.ManyToManyField(Tag, blank=True, related_name="books")
    status = models.CharField(max_length=20, choices=Status, default=Status.DRAFT)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=Decimal(0))
    stock = models.PositiveIntegerField(default=0)
    reviews = GenericRelation("Review")

    class Meta:
        ordering = ["pk"]


class Chapter(models.Model):
    book = models.ForeignKey(Book, models.CASCADE)
    number = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=100)

    class Meta:
        ordering = ["number"]
        unique_together = [("book", "number")]


class Novel(Book):
    genre = models.CharField(max_length=50)


class CheapBook(Book):
    class Meta:
        proxy = True
        ordering = ["-price", "pk"]


class Award(models.Model):
    name = models.CharField(max_length=50)
    winners = models.ManyToManyField(Author, through="Winning", related_name="awards")

    class Meta:
        ordering = ["name"]


class Winning(models.Model):
    award = models.ForeignKey(Award, models.CASCADE)
    author = models.ForeignKey(Author, models.CASCADE)
    year = models.IntegerField()

    class Meta:
        ordering = ["year"]


class Review(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveBigIntegerField()
    subject = GenericForeignKey("content_type", "object_id")
    text = models.TextField()

    class Meta:
        ordering = ["pk"]


class Category(models.Model):
    name = models.CharField(max_length=50)
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True, related_name="children")

    class Meta:
        ordering = ["name"]


class Clashing(models.Model):
    """Every name here means something to Pydantic or to a schema."""

    json = models.CharField(max_length=20)
    copy = models.IntegerField(default=0)
    update = models.BooleanField(default=False)
    model_dump = models.CharField(max_length=20, blank=True)

    class Meta:
        order_with_respect_to = "owner"

    owner = models.ForeignKey(Category, models.CASCADE, null=True)


class Everything(models.Model):
    """Every field of Django's, each null and not null where that makes sense."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    big = models.BigIntegerField(default=0)
    binary = models.BinaryField(null=True)
    boolean = models.BooleanField(null=True)
    char = models.CharField(max_length=100, blank=True)
    char_null = models.CharField(max_length=100, null=True)
    date = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    decimal = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    duration = models.DurationField(null=True)
    email = models.EmailField(blank=True)
    file = models.FileField(upload_to="files", blank=True)
    image = models.FileField(upload_to="images", null=True)
    file_path = models.FilePathField(path="/tmp", blank=True)  # noqa: S108 (nothing is read or written there)
    float = models.FloatField(null=True)
    ip = models.GenericIPAddressField(null=True)
    integer = models.IntegerField(null=True)
    json = models.JSONField(null=True)
    positive_big = models.PositiveBigIntegerField(default=0)
    positive = models.PositiveIntegerField(default=0)
    positive_small = models.PositiveSmallIntegerField(default=0, validators=[MaxValueValidator(10)])
    small = models.SmallIntegerField(default=0)
    slug = models.SlugField(blank=True)
    text = models.TextField(blank=True)
    time = models.TimeField(null=True)
    url = models.URLField(blank=True)
    uuid = models.UUIDField(null=True)
    rank = models.IntegerField(choices=[(1, "one"), (2, "two")], null=True)
    code = models.CharField(max_length=5, blank=True, validators=[RegexValidator("^[A-Z]*$", code="capitals")])
    at_least = models.IntegerField(default=5, validators=[MinValueValidator(5)])
    created = models.DateTimeField(auto_now_add=True)
    stamped = models.DateTimeField(db_default=Now())
    loud = models.GeneratedField(
        expression=Upper("char"), output_field=models.CharField(max_length=100), db_persist=True
    )
    book = models.ForeignKey(Book, models.SET_NULL, null=True)
    publisher = models.ForeignKey(Publisher, models.SET_NULL, null=True, to_field="code")
    tags = models.ManyToManyField(Tag)

    class Meta:
        ordering = ["char", "pk"]


class Shelf(models.Model):
    pk = models.CompositePrimaryKey("room", "number")
    room = models.CharField(max_length=10)
    number = models.IntegerField()
    label = models.CharField(max_length=10, blank=True)
