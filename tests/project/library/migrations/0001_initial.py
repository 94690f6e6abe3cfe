"""The tables of the library."""

import uuid
from decimal import Decimal

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="Award",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=50)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Book",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[("draft", "Draft"), ("published", "Published")], default="draft", max_length=20
                    ),
                ),
                ("price", models.DecimalField(decimal_places=2, default=Decimal("0"), max_digits=8)),
                ("stock", models.PositiveIntegerField(default=0)),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Shelf",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "room", "number", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("room", models.CharField(max_length=10)),
                ("number", models.IntegerField()),
                ("label", models.CharField(blank=True, max_length=10)),
            ],
        ),
        migrations.CreateModel(
            name="Tag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=50)),
                ("is_active", models.BooleanField(default=True)),
            ],
            options={
                "ordering": ["-name"],
            },
        ),
        migrations.CreateModel(
            name="Author",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="As on the title page.", max_length=100)),
                ("email", models.EmailField(blank=True, max_length=254)),
                ("password", models.CharField(blank=True, max_length=100)),
                ("friends", models.ManyToManyField(blank=True, to="library.author")),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Novel",
            fields=[
                (
                    "book_ptr",
                    models.OneToOneField(
                        auto_created=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        parent_link=True,
                        primary_key=True,
                        serialize=False,
                        to="library.book",
                    ),
                ),
                ("genre", models.CharField(max_length=50)),
            ],
            bases=("library.book",),
        ),
        migrations.AddField(
            model_name="book",
            name="author",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="books", to="library.author"
            ),
        ),
        migrations.AddField(
            model_name="book",
            name="editor",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="edited",
                to="library.author",
            ),
        ),
        migrations.CreateModel(
            name="CheapBook",
            fields=[],
            options={
                "ordering": ["-price", "pk"],
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("library.book",),
        ),
        migrations.CreateModel(
            name="Category",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=50)),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="children",
                        to="library.category",
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Profile",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("bio", models.TextField(blank=True)),
                ("author", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, to="library.author")),
            ],
        ),
        migrations.CreateModel(
            name="Publisher",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.SlugField(max_length=20, unique=True)),
                ("name", models.CharField(max_length=100)),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="imprints",
                        to="library.publisher",
                    ),
                ),
            ],
            options={
                "ordering": ["code"],
            },
        ),
        migrations.AddField(
            model_name="author",
            name="publisher",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="authors",
                to="library.publisher",
                to_field="code",
            ),
        ),
        migrations.CreateModel(
            name="Review",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("object_id", models.PositiveBigIntegerField()),
                ("text", models.TextField()),
                (
                    "content_type",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="contenttypes.contenttype"),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Everything",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("big", models.BigIntegerField(default=0)),
                ("binary", models.BinaryField(null=True)),
                ("boolean", models.BooleanField(null=True)),
                ("char", models.CharField(blank=True, max_length=100)),
                ("char_null", models.CharField(max_length=100, null=True)),
                ("date", models.DateField(null=True)),
                ("moment", models.DateTimeField(null=True)),
                ("decimal", models.DecimalField(decimal_places=4, max_digits=12, null=True)),
                ("duration", models.DurationField(null=True)),
                ("email", models.EmailField(blank=True, max_length=254)),
                ("file", models.FileField(blank=True, upload_to="files")),
                ("image", models.FileField(null=True, upload_to="images")),
                ("file_path", models.FilePathField(blank=True, path="/tmp")),
                ("float", models.FloatField(null=True)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("integer", models.IntegerField(null=True)),
                ("json", models.JSONField(null=True)),
                ("positive_big", models.PositiveBigIntegerField(default=0)),
                ("positive", models.PositiveIntegerField(default=0)),
                (
                    "positive_small",
                    models.PositiveSmallIntegerField(
                        default=0, validators=[django.core.validators.MaxValueValidator(10)]
                    ),
                ),
                ("small", models.SmallIntegerField(default=0)),
                ("slug", models.SlugField(blank=True)),
                ("text", models.TextField(blank=True)),
                ("time", models.TimeField(null=True)),
                ("url", models.URLField(blank=True)),
                ("uuid", models.UUIDField(null=True)),
                ("rank", models.IntegerField(choices=[(1, "one"), (2, "two")], null=True)),
                (
                    "code",
                    models.CharField(
                        blank=True,
                        max_length=5,
                        validators=[django.core.validators.RegexValidator("^[A-Z]*$", code="capitals")],
                    ),
                ),
                ("at_least", models.IntegerField(default=5, validators=[django.core.validators.MinValueValidator(5)])),
                ("created", models.DateTimeField(auto_now_add=True)),
                ("stamped", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "loud",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.functions.text.Upper("char"),
                        output_field=models.CharField(max_length=100),
                    ),
                ),
                ("book", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to="library.book")),
                (
                    "publisher",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to="library.publisher", to_field="code"
                    ),
                ),
                ("tags", models.ManyToManyField(to="library.tag")),
            ],
            options={
                "ordering": ["char", "pk"],
            },
        ),
        migrations.AddField(
            model_name="book",
            name="tags",
            field=models.ManyToManyField(blank=True, related_name="books", to="library.tag"),
        ),
        migrations.CreateModel(
            name="Winning",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("year", models.IntegerField()),
                ("author", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="library.author")),
                ("award", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="library.award")),
            ],
            options={
                "ordering": ["year"],
            },
        ),
        migrations.AddField(
            model_name="award",
            name="winners",
            field=models.ManyToManyField(related_name="awards", through="library.Winning", to="library.author"),
        ),
        migrations.CreateModel(
            name="Chapter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveSmallIntegerField()),
                ("title", models.CharField(max_length=100)),
                ("book", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="library.book")),
            ],
            options={
                "ordering": ["number"],
                "unique_together": {("book", "number")},
            },
        ),
        migrations.CreateModel(
            name="Clashing",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("json", models.CharField(max_length=20)),
                ("copy", models.IntegerField(default=0)),
                ("update", models.BooleanField(default=False)),
                ("model_dump", models.CharField(blank=True, max_length=20)),
                (
                    "owner",
                    models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, to="library.category"),
                ),
            ],
            options={
                "order_with_respect_to": "owner",
            },
        ),
    ]
