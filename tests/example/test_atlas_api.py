import pytest
from pytest_django import DjangoAssertNumQueries

from django_fastapi.testing import Client
from tests.example.conftest import Get

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loaded")]

ATLAS = "/api/atlas"
EUROPE = {"code": "EU", "name": "Europe", "population": 741000000}


def test_continents_are_listed_by_name(get: Get) -> None:
    answer = get(f"{ATLAS}/continents")
    assert answer.status_code == 200
    assert [continent["code"] for continent in answer.json()] == ["AF", "AN", "AS", "EU", "NA", "OC", "SA"]


def test_countries_are_listed_by_name_in_windows(get: Get) -> None:
    answer = get(f"{ATLAS}/countries", params={"limit": 2, "offset": 1}).json()
    assert (answer["total"], answer["limit"], answer["offset"]) == (252, 2, 1)
    assert [country["name"] for country in answer["items"]] == ["Aland Islands", "Albania"]


def test_countries_are_filtered_by_continent_and_by_name(get: Get) -> None:
    answer = get(f"{ATLAS}/countries", params={"continent": "EU", "search": " SWITZ "}).json()
    assert answer["items"] == [
        {
            "code": "CH",
            "name": "Switzerland",
            "continent": EUROPE,
            "capital": "Bern",
            "area": 41290,
            "population": 8516543,
        }
    ]
    assert get(f"{ATLAS}/countries", params={"continent": "AS", "search": "switz"}).json()["total"] == 0


@pytest.mark.parametrize(
    ("ordering", "first"), [("-population", "China"), ("-area", "Russia"), ("name", "Afghanistan"), ("", "Afghanistan")]
)
def test_countries_are_ordered_as_asked_for(get: Get, ordering: str, first: str) -> None:
    assert get(f"{ATLAS}/countries", params={"ordering": ordering}).json()["items"][0]["name"] == first


def test_a_country_is_shown_with_all_that_belongs_to_it(get: Get) -> None:
    country = get(f"{ATLAS}/countries/CH").json()
    assert country["iso3"] == "CHE"
    assert country["continent"] == EUROPE
    assert country["currency"] == {"code": "CHF", "name": "Franc"}
    assert [language["code"] for language in country["languages"]] == ["de-CH", "fr-CH", "it-CH", "rm"]
    assert country["languages"][0] == {"code": "de-CH", "base": "de", "region": "CH"}
    assert sorted(country["neighbours"]) == ["AT", "DE", "FR", "IT", "LI"]


def test_a_country_without_currency_number_or_neighbours_is_shown(get: Get) -> None:
    antarctica = get(f"{ATLAS}/countries/AQ").json()
    assert (antarctica["currency"], antarctica["languages"], antarctica["neighbours"]) == (None, [], [])
    assert get(f"{ATLAS}/countries/XK").json()["numeric"] is None


@pytest.mark.parametrize(
    "path",
    [
        *(f"/countries/{iso}" for iso in ("ZZ", "ch", "CHE", "C", "%C3%9F", "%C4%B1t", "C%00", "CH%20", "%FF%FE")),
        *(f"/cities/{key}" for key in ("0", "1", "one", "1_796_236", "1796236.0", "%201796236", "9" * 30, "%00")),
    ],
)
def test_what_names_no_object_is_not_found(get: Get, path: str) -> None:
    assert get(ATLAS + path).status_code == 404


def test_cities_are_listed_the_largest_first(get: Get) -> None:
    items = get(f"{ATLAS}/cities").json()["items"]
    populations = [city["population"] for city in items]
    assert len(populations) == 20
    assert populations == sorted(populations, reverse=True)
    assert items[0] == {
        "geoname_id": 1796236,
        "name": "Shanghai",
        "latitude": "31.22222",
        "longitude": "121.45806",
        "population": 24874500,
        "timezone": "Asia/Shanghai",
        "admin1_code": "23",
        "country": {
            "code": "CN",
            "name": "China",
            "continent": {"code": "AS", "name": "Asia", "population": 3812366000},
        },
    }


def test_pages_of_cities_neither_overlap_nor_leave_gaps(get: Get) -> None:
    query = {"ordering": "name", "population__gte": 2_000_000}
    whole = get(f"{ATLAS}/cities", params={**query, "size": 60}).json()["items"]
    pages = [get(f"{ATLAS}/cities", params={**query, "size": 20}).json()]
    for _ in range(2):
        pages.append(get(f"{ATLAS}/cities", params={**query, "size": 20, "cursor": pages[-1]["next"]}).json())
    assert [city for page in pages for city in page["items"]] == whole
    assert get(f"{ATLAS}/cities", params={**query, "size": 20, "cursor": pages[2]["previous"]}).json() == pages[1]


def test_cities_are_filtered_searched_and_ordered(get: Get) -> None:
    query = {"country": "DE", "population__gte": 1_800_000, "ordering": "-population"}
    answer = get(f"{ATLAS}/cities", params=query).json()
    assert [city["name"] for city in answer["items"]] == ["Berlin", "Hamburg"]
    answer = get(f"{ATLAS}/cities", params={**query, "search": "BER"}).json()
    assert [city["name"] for city in answer["items"]] == ["Berlin"]


def test_wildcards_of_the_database_are_plain_characters(get: Get) -> None:
    assert get(f"{ATLAS}/cities", params={"search": "%"}).json()["items"] == []
    assert get(f"{ATLAS}/cities", params={"search": "_"}).json()["items"] == []


def test_a_city_is_shown_by_its_id(get: Get) -> None:
    assert get(f"{ATLAS}/cities/1796236").json()["name"] == "Shanghai"


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/cities?size=0", "size"),
        ("/cities?size=101", "size"),
        (f"/cities?size={10**30}", "size"),
        ("/cities?size=NaN", "size"),
        ("/cities?cursor=elsewhere", "cursor"),
        ("/cities?cursor=%00", "cursor"),
        ("/cities?ordering=country__continent__population", "ordering"),
        ("/cities?ordering=--population", "ordering"),
        ("/cities?population__gte=-1", "population__gte"),
        (f"/cities?population__gte={10**30}", "population__gte"),
        ("/cities?population__lte=1", "population__lte"),
        ("/cities?population__gte__gte=1", "population__gte__gte"),
        ("/cities?country__continent=EU", "country__continent"),
        ("/cities?search=a%00b", "search"),
        (f"/cities?search={'a' * 201}", "search"),
        ("/cities?country=%00%00", "country"),
        ("/countries?search=%00", "search"),
        ("/countries?continent=%00E", "continent"),
        ("/countries?limit=-5", "limit"),
        ("/countries?offset=-1", "offset"),
        ("/countries?offset=100001", "offset"),
    ],
)
def test_bad_input_is_a_client_error_that_names_the_parameter(get: Get, path: str, parameter: str) -> None:
    answer = get(ATLAS + path)
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["detail"]] == [["query", parameter]]


@pytest.mark.parametrize("search", ["%FF", "%ED%A0%80", "%F0%9F%8C%8D", "%27%22%5C"])
def test_odd_text_finds_nothing(get: Get, search: str) -> None:
    answer = get(f"{ATLAS}/cities?search={search}")
    assert (answer.status_code, answer.json()["items"]) == (200, [])


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("/continents", 1),
        ("/countries?limit=3", 2),
        ("/countries?limit=100", 2),
        ("/countries/CH", 3),
        ("/cities?size=3", 2),
        ("/cities?size=100", 2),
        ("/cities/1796236", 1),
    ],
)
def test_the_number_of_queries_is_fixed(
    django_assert_num_queries: DjangoAssertNumQueries, path: str, queries: int
) -> None:
    with Client() as client, django_assert_num_queries(queries):
        assert client.get(ATLAS + path).status_code == 200
