"""A workshop: models to write, with every kind of rule that a row can break."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower


class VisibleManager(models.Manager["Label"]):
    def get_queryset(self) -> "models.QuerySet[Label]":
        return super().get_queryset().filter(hidden=False)


class Label(models.Model):
    name = models.CharField(max_length=20, unique=True)
    hidden = models.BooleanField(default=False)

    objects = VisibleManager()

    class Meta:
        ordering = ["name"]


class Maker(models.Model):
    name = models.CharField(max_length=50, unique=True)
    email = models.EmailField(blank=True)
    is_open = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "maker"


class Material(models.Model):
    code = models.CharField(max_length=5, primary_key=True)
    name = models.CharField(max_length=30)


class Tool(models.Model):
    code = models.CharField(max_length=20, unique=True)
    name = models.CharField(max_length=50)
    maker = models.ForeignKey(Maker, models.PROTECT, related_name="tools", limit_choices_to={"is_open": True})
    material = models.ForeignKey(Material, models.RESTRICT, null=True, blank=True)
    price = models.DecimalField(max_digits=6, decimal_places=2, default=0)
    rack = models.PositiveSmallIntegerField(null=True, blank=True)
    place = models.PositiveSmallIntegerField(null=True, blank=True)
    serial = models.CharField(max_length=20, blank=True)
    retired = models.BooleanField(default=False)
    labels = models.ManyToManyField(Label, blank=True, related_name="tools")
    made_by = models.CharField(max_length=20, blank=True, default="nobody")
    version = models.PositiveIntegerField(default=0)
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["pk"]
        unique_together = [("rack", "place")]
        constraints = [
            models.UniqueConstraint(
                fields=["serial"], condition=models.Q(retired=False) & ~models.Q(serial=""), name="workshop_serial"
            ),
            models.UniqueConstraint("maker", Lower("name"), name="workshop_name_of_maker"),
            models.CheckConstraint(
                condition=models.Q(price__gte=0),
                name="workshop_price",
                violation_error_message="The price must not be negative.",
            ),
        ]

    def clean(self) -> None:
        if self.name == self.maker.name:
            raise ValidationError({"name": ValidationError("A tool is no maker.", code="same")})
        self.name = self.name.strip()


class Part(models.Model):
    tool = models.ForeignKey(Tool, models.CASCADE, related_name="parts")
    number = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=20)

    class Meta:
        ordering = ["number"]
        unique_together = [("tool", "number")]


class Inspection(models.Model):
    part = models.ForeignKey(Part, models.PROTECT)


class Manual(models.Model):
    tool = models.OneToOneField(Tool, models.CASCADE, related_name="manual")
    text = models.TextField()


class Repair(models.Model):
    """A row that may lose its tool."""

    tool = models.ForeignKey(Tool, models.SET_NULL, null=True, related_name="repairs")
    text = models.CharField(max_length=50)


class Drawing(models.Model):
    title = models.CharField(max_length=20, unique=True)
    sheet = models.FileField(upload_to="drawings", blank=True)


class ShortField(models.CharField):
    """A field whose column holds less than validation lets pass."""

    def db_type(self, connection: object) -> str:
        del connection
        return "varchar(5)"


class SmallField(models.IntegerField):
    """A field whose column holds less than validation lets pass."""

    def db_type(self, connection: object) -> str:
        del connection
        return "smallint"


class Gauge(models.Model):
    name = ShortField(max_length=20)
    limit = SmallField(default=0)
    maker = models.ForeignKey(Maker, models.PROTECT, related_name="gauges")
    labels = models.ManyToManyField(Label, blank=True)


class Reading(models.Model):
    gauge = models.ForeignKey(Gauge, models.CASCADE, related_name="readings")
    value = SmallField()


class Picture(models.Model):
    title = models.CharField(max_length=20, unique=True)
    image = models.ImageField(upload_to="pictures", width_field="width", height_field="height", blank=True)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)


class Person(models.Model):
    """Names that clients should not write by accident."""

    name = models.CharField(max_length=20)
    is_staff = models.BooleanField(default=False)
    is_superuser = models.BooleanField(default=False)
    password = models.CharField(max_length=20, default="!")
    last_login = models.DateTimeField(null=True)
    user = models.ForeignKey("auth.User", models.CASCADE, null=True, db_constraint=False)
