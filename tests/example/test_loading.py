import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from atlas.geonames import Atlas
from atlas.loading import load, rows_by_model
from atlas.models import City, Continent, Country, Language
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.db.models import QuerySet

pytestmark = pytest.mark.django_db

LINKS = (Country.languages.through, Country.neighbours.through)


def snapshot(atlas: Atlas) -> dict[type, list[tuple[Any, ...]]]:
    return {model: list(QuerySet(model).order_by("pk").values_list()) for model in (*rows_by_model(atlas), *LINKS)}


def test_loading_twice_gives_the_same_rows_and_links(big_cities: Atlas) -> None:
    load(big_cities)
    first = snapshot(big_cities)
    load(big_cities)
    assert snapshot(big_cities) == first
    assert len(first[City]) == len(big_cities.cities) > 500
    assert len(first[LINKS[0]]) == len(big_cities.country_languages) > 500
    assert len(first[LINKS[1]]) == len(big_cities.neighbours) > 500


def test_neighbours_are_symmetrical(big_cities: Atlas) -> None:
    load(big_cities)
    links = set(Country.neighbours.through.objects.values_list("from_country_id", "to_country_id"))
    assert links == {(right, left) for left, right in links}


def test_coordinates_come_back_exactly(big_cities: Atlas) -> None:
    load(big_cities)
    written = {row.pk: (row.latitude, row.longitude) for row in big_cities.cities}
    assert {row.pk: (row.latitude, row.longitude) for row in City.objects.all()} == written


def test_progress_is_told_for_every_row(big_cities: Atlas) -> None:
    counts: list[int] = []
    load(big_cities, on_rows=counts.append)
    assert sum(counts) == sum(len(rows) for rows in rows_by_model(big_cities).values())


def test_known_rows_are_repaired_with_their_links(big_cities: Atlas) -> None:
    load(big_cities)
    before = snapshot(big_cities)
    switzerland = Country.objects.get(pk="CH")
    switzerland.neighbours.remove(Country.objects.get(pk="DE"))
    switzerland.neighbours.add(Country.objects.get(pk="JP"))
    Country.objects.filter(pk="CH").update(name="Helvetia")
    load(big_cities)
    assert Country.objects.get(pk="CH").name == "Switzerland"
    assert set(switzerland.neighbours.values_list("pk", flat=True)) == {"AT", "DE", "FR", "IT", "LI"}
    assert snapshot(big_cities)[Country] == before[Country]


def test_rows_that_the_atlas_does_not_know_stay_with_their_links(big_cities: Atlas) -> None:
    load(big_cities)
    klingon = Language.objects.create(code="tlh")
    nowhere = Country.objects.create(code="XX", iso3="XXX", name="Nowhere", area=1, population=1, continent_id="EU")
    nowhere.neighbours.add(Country.objects.get(pk="CH"))
    Country.objects.get(pk="CH").languages.add(klingon)
    load(big_cities)
    assert [country.pk for country in nowhere.neighbours.all()] == ["CH"]
    assert [country.pk for country in klingon.countries.all()] == ["CH"]


def test_a_wrong_row_leaves_the_database_as_it_was(big_cities: Atlas) -> None:
    wrong = City(pk=1, name="Beyond", country_id="CH", latitude=Decimal(91), longitude=Decimal(0), population=1)
    with pytest.raises(IntegrityError):
        load(replace(big_cities, cities=(wrong,)))
    assert not Continent.objects.exists()


def test_the_command_reports_counts_and_notes() -> None:
    out = io.StringIO()
    call_command("load_atlas", min_population=5_000_000, stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["continents: 7", f"currencies: {QuerySet(Country).values('currency').distinct().count() - 1}"]
    assert f"cities: {City.objects.count()}" in lines
    assert any(line.startswith("Note: 8 borders named by one side only") for line in lines)
    assert 0 < City.objects.count() < 200


def test_the_command_is_silent_if_asked(capfd: pytest.CaptureFixture[str]) -> None:
    call_command("load_atlas", min_population=5_000_000, verbosity=0)
    assert capfd.readouterr() == ("", "")


def test_the_command_refuses_a_negative_population() -> None:
    with pytest.raises(CommandError, match="negative"):
        call_command("load_atlas", min_population=-1)
