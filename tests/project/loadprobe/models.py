from django.db import models


class Parent(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Row(models.Model):
    """What a test counts. The parent is checked at the commit, on PostgreSQL and SQLite alike."""

    note = models.CharField(max_length=100, db_index=True)
    parent = models.ForeignKey(Parent, on_delete=models.CASCADE, null=True)

    def __str__(self) -> str:
        return self.note
