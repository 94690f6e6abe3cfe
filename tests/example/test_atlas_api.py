from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from atlas.api import get_city, get_country, list_cities, list_continents, list_countries
from pytest_django import DjangoAssertNumQueries

from tests.example.conftest import Get

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loaded")]

ATLAS = "/api/atlas"


def test_continents_are_listed_by_name(get: Get) -> None:
    answer = get(f"{ATLAS}/continents")
    assert answer.status_code == 200
    assert [continent["code"] for continent in answer.json()] == ["AF", "AN", "AS", "EU", "NA", "OC", "SA"]


def test_countries_are_listed_by_name_in_windows(get: Get) -> None:
    answer = get(f"{ATLAS}/countries", params={"limit": 2, "offset": 1}).json()
    assert (answer["total"], answer["limit"], answer["offset"]) == (252, 2, 1)
    assert [country["name"] for country in answer["items"]] == ["Aland Islands", "Albania"]


def test_countries_are_filtered_by_continent_and_by_name(get: Get) -> None:
    answer = get(f"{ATLAS}/countries", params={"continent": "eu", "q": " SWITZ "}).json()
    assert answer["items"] == [
        {
            "code": "CH",
            "name": "Switzerland",
            "capital": "Bern",
            "area": 41290,
            "population": 8516543,
            "continent": {"code": "EU", "name": "Europe", "population": 741000000},
        }
    ]
    assert get(f"{ATLAS}/countries", params={"continent": "AS", "q": "switz"}).json()["total"] == 0


@pytest.mark.parametrize("code", ["CH", "ch", "cH"])
def test_a_country_is_shown_with_all_that_belongs_to_it(get: Get, code: str) -> None:
    country = get(f"{ATLAS}/countries/{code}").json()
    assert country["iso3"] == "CHE"
    assert country["continent"]["name"] == "Europe"
    assert country["currency"] == {"code": "CHF", "name": "Franc"}
    assert [language["code"] for language in country["languages"]] == ["de-CH", "fr-CH", "it-CH", "rm"]
    assert country["languages"][0] == {"code": "de-CH", "base": "de", "region": "CH"}
    assert country["neighbours"] == ["AT", "DE", "FR", "IT", "LI"]


def test_a_country_without_currency_number_or_neighbours_is_shown(get: Get) -> None:
    antarctica = get(f"{ATLAS}/countries/aq").json()
    assert (antarctica["currency"], antarctica["languages"], antarctica["neighbours"]) == (None, [], [])
    assert get(f"{ATLAS}/countries/xk").json()["numeric"] is None


@pytest.mark.parametrize("code", ["ZZ", "CHE", "C", "%C3%9F", "%C4%B1t", "C%00", "CH%20", "%FF%FE"])
def test_what_is_no_country_is_not_found(get: Get, code: str) -> None:
    answer = get(f"{ATLAS}/countries/{code}")
    assert answer.status_code == 404
    assert answer.json() == {"detail": "There is no such country."}


def test_cities_are_listed_the_largest_first(get: Get) -> None:
    answer = get(f"{ATLAS}/cities").json()
    populations = [city["population"] for city in answer["items"]]
    assert len(populations) == answer["limit"] == 20
    assert populations == sorted(populations, reverse=True)
    assert answer["items"][0] == {
        "geoname_id": 1796236,
        "name": "Shanghai",
        "country": {"code": "CN", "name": "China"},
        "latitude": "31.22222",
        "longitude": "121.45806",
        "population": 24874500,
        "timezone": "Asia/Shanghai",
        "admin1_code": "23",
    }


def test_windows_on_cities_neither_overlap_nor_leave_gaps(get: Get) -> None:
    whole = get(f"{ATLAS}/cities", params={"limit": 60}).json()["items"]
    windows = [get(f"{ATLAS}/cities", params={"limit": 20, "offset": start}).json() for start in (0, 20, 40)]
    assert [city for window in windows for city in window["items"]] == whole


def test_cities_are_filtered(get: Get) -> None:
    query = {"country": "de", "min_population": 1_000_000, "q": "BER"}
    answer = get(f"{ATLAS}/cities", params=query).json()
    assert [city["name"] for city in answer["items"]] == ["Berlin"]


def test_wildcards_of_the_database_are_plain_characters(get: Get) -> None:
    assert get(f"{ATLAS}/cities", params={"q": "%"}).json()["total"] == 0
    assert get(f"{ATLAS}/cities", params={"q": "_"}).json()["total"] == 0


def test_a_city_is_shown_by_its_id(get: Get) -> None:
    assert get(f"{ATLAS}/cities/1796236").json()["name"] == "Shanghai"
    assert get(f"{ATLAS}/cities/1").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/cities?limit=0",
        "/cities?limit=101",
        "/cities?offset=-1",
        "/cities?offset=100001",
        "/cities?min_population=-1",
        "/cities?min_population=2147483648",
        "/cities?q=",
        "/cities?q=%00",
        "/cities?q=a%00b",
        "/cities?q=%0A%00",
        "/cities?country=%00%00",
        "/cities?country=CHE",
        "/cities?country=C%C3%87",
        "/countries?q=%00",
        "/countries?continent=%00E",
        "/countries?limit=-5",
        f"/countries?q={'a' * 101}",
        "/cities/0",
        "/cities/2147483648",
        f"/cities/{10**30}",
        "/cities/one",
    ],
)
def test_bad_input_is_a_client_error(get: Get, path: str) -> None:
    assert get(ATLAS + path).status_code == 422


@pytest.mark.parametrize(
    "path", ["/cities?q=%FF", "/cities?q=%ED%A0%80", "/cities?q=%F0%9F%8C%8D", "/cities?q=%27%22%5C"]
)
def test_odd_text_finds_nothing(get: Get, path: str) -> None:
    answer = get(ATLAS + path)
    assert (answer.status_code, answer.json()["total"]) == (200, 0)


@pytest.mark.parametrize(
    ("call", "queries"),
    [
        (list_continents, 1),
        (lambda: async_to_sync(list_countries)(limit=3), 2),
        (lambda: async_to_sync(list_countries)(limit=100), 2),
        (lambda: get_country("CH"), 3),
        (lambda: list_cities(limit=3), 2),
        (lambda: list_cities(limit=100), 2),
        (lambda: async_to_sync(get_city)(1796236), 1),
    ],
)
def test_the_number_of_queries_is_fixed(
    django_assert_num_queries: DjangoAssertNumQueries, call: Callable[[], Any], queries: int
) -> None:
    with django_assert_num_queries(queries):
        assert call()
