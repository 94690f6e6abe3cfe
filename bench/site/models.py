"""The model."""

from typing import ClassVar, Self

from django.db import models


class Permission(models.Model):
    """Something that a user may do."""

    name = models.CharField(max_length=255)
    codename = models.CharField(max_length=100, unique=True)

    objects: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        """Options."""

        ordering: ClassVar = ["codename"]

    def __str__(self) -> str:
        """Return the name."""
        return self.name
