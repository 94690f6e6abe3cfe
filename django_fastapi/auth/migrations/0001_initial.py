import uuid
from typing import Any, ClassVar

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial: ClassVar[Any] = True

    dependencies: ClassVar[Any] = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations: ClassVar[Any] = [
        migrations.CreateModel(
            name="UsedToken",
            fields=[
                ("digest", models.CharField(max_length=64, primary_key=True, serialize=False, verbose_name="digest")),
                ("expires_at", models.DateTimeField(db_index=True, verbose_name="expires at")),
            ],
            options={
                "verbose_name": "used token",
                "verbose_name_plural": "used tokens",
            },
        ),
        migrations.CreateModel(
            name="APIKey",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(help_text="What the key is for.", max_length=100, verbose_name="name")),
                ("prefix", models.CharField(editable=False, max_length=16, unique=True, verbose_name="prefix")),
                ("digest", models.CharField(editable=False, max_length=64, verbose_name="digest")),
                ("stamp", models.CharField(editable=False, max_length=32, verbose_name="stamp")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created at")),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="expires at")),
                ("revoked_at", models.DateTimeField(blank=True, null=True, verbose_name="revoked at")),
                ("last_used_at", models.DateTimeField(blank=True, null=True, verbose_name="last used at")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "verbose_name_plural": "API keys",
                "ordering": ["-created_at"],
            },
        ),
        migrations.CreateModel(
            name="RefreshFamily",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                (
                    "current",
                    models.CharField(
                        help_text="The id of the token that counts.", max_length=32, verbose_name="current token"
                    ),
                ),
                (
                    "previous",
                    models.CharField(
                        blank=True,
                        help_text="The id of the token that counted before it.",
                        max_length=32,
                        verbose_name="previous token",
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created at")),
                ("rotated_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="rotated at")),
                ("expires_at", models.DateTimeField(db_index=True, verbose_name="expires at")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended at")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "family of refresh tokens",
                "verbose_name_plural": "families of refresh tokens",
                "ordering": ["-rotated_at"],
            },
        ),
    ]
