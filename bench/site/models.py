"""The models."""

from typing import ClassVar

from django.db import models


class Permission(models.Model):
    """Something that a user may do."""

    name = models.CharField(max_length=255)
    codename = models.CharField(max_length=100, unique=True)

    class Meta:
        """Options."""

        ordering: ClassVar = ["codename"]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Country(models.Model):
    """A country."""

    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Language(models.Model):
    """A language."""

    name = models.CharField(max_length=100)

    class Meta:
        """Options."""

        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class City(models.Model):
    """A city."""

    name = models.CharField(max_length=200)
    population = models.PositiveIntegerField()
    area = models.DecimalField(max_digits=8, decimal_places=2)
    founded = models.DateField(null=True)
    country = models.ForeignKey(Country, on_delete=models.CASCADE)
    languages = models.ManyToManyField(Language)

    class Meta:
        """Options."""

        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Tour(models.Model):
    """A tour through a country."""

    name = models.CharField(max_length=200)
    day = models.DateField()
    price = models.DecimalField(max_digits=8, decimal_places=2)
    country = models.ForeignKey(Country, on_delete=models.CASCADE)
    languages = models.ManyToManyField(Language)

    def __str__(self) -> str:
        """Return the name."""
        return self.name
