import doctest
from decimal import Decimal
from typing import Any

import pytest
from atlas import geonames
from atlas.geonames import Atlas, build_atlas, degrees, read_atlas
from atlas.loading import rows_by_model


def continent(code: str) -> dict[str, Any]:
    return {"continentCode": code, "name": f"Continent {code}", "population": 1}


def country(code: str, **values: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("fips", "capital", "tld", "phone", "postalcoderegex", "languages", "neighbours"), "")
    return {
        **empty,
        "iso": code,
        "iso3": f"{code}X",
        "isonumeric": 1,
        "name": f"Country {code}",
        "areakm2": 1,
        "population": 1,
        "continentcode": "EU",
        "currencycode": "",
        "currencyname": "",
        **values,
    }


def city(geoname_id: int, country_code: str) -> dict[str, Any]:
    return {
        "geonameid": geoname_id,
        "name": f"City {geoname_id}",
        "countrycode": country_code,
        "latitude": 1.1,
        "longitude": -0.1,
        "population": 1,
        "timezone": "Europe/Zurich",
        "admin1code": "",
    }


def atlas_of(*countries: dict[str, Any], cities: tuple[dict[str, Any], ...] = ()) -> Atlas:
    return build_atlas([continent("EU")], countries, cities)


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(geonames).failed == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (42.50729, "42.50729"),
        (1.000005, "1.00000"),
        (-0.1, "-0.10000"),
        (180.0, "180.00000"),
        (0.00001, "0.00001"),
        (90, "90.00000"),
    ],
)
def test_degrees_are_exact_decimals(value: float, expected: str) -> None:
    assert str(degrees(value)) == expected


def test_empty_numbers_and_references_are_none_and_empty_texts_stay_texts() -> None:
    (row,) = atlas_of(country("XK", isonumeric=0)).countries
    assert row.numeric is None
    assert row.currency_id is None
    assert row.capital == row.fips == row.phone == ""


def test_spaces_around_texts_are_removed() -> None:
    (row,) = atlas_of(country("CW", name="Name ", capital=" Willemstad", phone=" ", postalcoderegex="^a$ ")).countries
    assert (row.name, row.capital, row.phone, row.postal_code_regex) == ("Name", "Willemstad", "", "^a$")


def test_languages_are_split_and_empty_ones_ignored() -> None:
    atlas = atlas_of(country("CH", languages="de-CH,fr-CH,,"), country("AQ"))
    assert [language.code for language in atlas.languages] == ["de-CH", "fr-CH"]
    assert atlas.country_languages == {("CH", "de-CH"), ("CH", "fr-CH")}


def test_neighbours_are_symmetrical_and_one_sided_borders_are_reported() -> None:
    atlas = atlas_of(country("CS", neighbours="AL"), country("AL"))
    assert atlas.neighbours == {("CS", "AL"), ("AL", "CS")}
    assert atlas.notes == ("1 borders named by one side only, loaded for both: CS-AL",)


def test_an_unknown_neighbour_is_left_out_and_reported() -> None:
    atlas = atlas_of(country("CH", neighbours="XX"))
    assert atlas.neighbours == frozenset()
    assert atlas.notes == ("1 neighbours left out, country unknown: CH-XX",)


def test_a_city_of_an_unknown_country_is_left_out_and_reported() -> None:
    atlas = atlas_of(country("CH"), cities=(city(1, "CH"), city(2, "XX")))
    assert [row.geoname_id for row in atlas.cities] == [1]
    assert atlas.notes == ("1 cities left out, country unknown: City 2 (XX)",)


def test_a_country_of_an_unknown_continent_is_left_out_with_its_cities_and_reported() -> None:
    atlas = atlas_of(country("AA", continentcode="XX"), cities=(city(1, "AA"),))
    assert (atlas.countries, atlas.cities) == ((), ())
    assert atlas.notes == (
        "1 countries left out, continent unknown: AA",
        "1 cities left out, country unknown: City 1 (AA)",
    )


def test_of_a_currency_with_several_names_the_first_is_taken_and_it_is_reported() -> None:
    names = ["Franc", "Franken", "Franc"]
    atlas = atlas_of(*(country(f"A{i}", currencycode="CHF", currencyname=name) for i, name in enumerate(names)))
    assert [(row.code, row.name) for row in atlas.currencies] == [("CHF", "Franc")]
    assert atlas.notes == ("1 currencies with several names, first one taken: CHF",)


def test_a_long_note_is_cut() -> None:
    atlas = atlas_of(cities=tuple(city(i, "XX") for i in range(100)))
    assert atlas.notes[0].startswith("100 cities left out")
    assert atlas.notes[0].endswith("City 9 (XX), ...")


def test_min_population_keeps_large_cities_only(big_cities: Atlas) -> None:
    assert min(row.population for row in big_cities.cities) >= 500_000
    assert len(big_cities.countries) > 240


def test_the_installed_data_is_complete_and_valid() -> None:
    atlas = read_atlas()
    assert len(atlas.cities) > 30_000
    assert not [note for note in atlas.notes if "left out" in note]
    for rows in rows_by_model(atlas).values():
        for row in rows:
            row.clean_fields(exclude={"continent", "currency", "country"})


def test_coordinates_of_the_installed_data_are_written_as_in_the_source(big_cities: Atlas) -> None:
    (shanghai,) = [row for row in big_cities.cities if row.geoname_id == 1796236]
    assert (shanghai.latitude, shanghai.longitude) == (Decimal("31.22222"), Decimal("121.45806"))
