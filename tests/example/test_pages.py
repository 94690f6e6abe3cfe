import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from atlas.models import City, Continent, Country

from django_fastapi import get_asgi_application
from django_fastapi.testing import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def zurich() -> City:
    continent = Continent.objects.create(code="EU", name="Europe", population=1)
    country = Country.objects.create(
        code="CH", iso3="CHE", numeric=756, name="Switzerland", area=1, population=1, continent=continent
    )
    where = {"country": country, "latitude": 47, "longitude": 8, "timezone": "Europe/Zurich"}
    City.objects.create(geoname_id=1, name="<Bern>", population=120_000, **where)
    return City.objects.create(geoname_id=2, name="Zürich", population=341_730, **where)


@pytest.fixture
def client() -> Iterator[Client]:
    with closing(Client(get_asgi_application(), enforce_csrf_checks=True)) as client:
        yield client


def token(text: str) -> str:
    return re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', text)[0]


@pytest.mark.usefixtures("zurich")
def test_a_search_shows_what_it_found_escaped(client: Client) -> None:
    page = client.get("/pages/cities", params={"q": '"><b>'})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "&quot;&gt;&lt;b&gt;" in page.text
    assert "Nothing here." in page.text
    assert "&lt;Bern&gt;" in client.get("/pages/cities").text
    assert "&lt;Bern&gt;" not in client.get("/pages/cities?q=Zürich").text


def test_a_city_is_kept_and_dropped_each_with_a_message(client: Client, zurich: City) -> None:
    page = client.get("/pages/cities?q=rich")
    form = {"csrfmiddlewaretoken": token(page.text), "q": "rich"}
    kept = client.post(f"/pages/cities/{zurich.pk}/keep", data=form, follow_redirects=False)
    assert (kept.status_code, kept.headers["location"]) == (302, "/pages/cities?q=rich")
    page = client.get("/pages/cities?q=rich")
    assert "Zürich is on your list now." in page.text
    assert f"/pages/cities/{zurich.pk}/drop" in page.text
    assert "on your list now" not in client.get("/pages/cities").text
    page = client.post(f"/pages/cities/{zurich.pk}/drop", data=form, follow_redirects=True)
    assert "Zürich is off your list." in page.text
    assert "/drop" not in page.text


def test_without_the_token_nothing_is_kept(client: Client, zurich: City) -> None:
    client.get("/pages/cities")
    for data in ({}, {"csrfmiddlewaretoken": "x" * 64}):
        answer = client.post(f"/pages/cities/{zurich.pk}/keep", data=data)
        assert answer.status_code == 403
    assert "/drop" not in client.get("/pages/cities").text


def test_numbers_are_in_the_language_of_the_visitor(client: Client, zurich: City) -> None:
    assert zurich.population == 341_730
    assert "341,730" in client.get("/pages/cities").text
    page = client.get("/pages/cities", headers={"accept-language": "de"})
    assert "341.730" in page.text
    assert '<html lang="de">' in page.text
    assert page.headers["content-language"] == "de"


@pytest.mark.usefixtures("zurich")
@pytest.mark.parametrize(
    ("path", "status"),
    [("/pages/cities/3/keep", 404), ("/pages/cities/1_0/keep", 404), ("/pages/cities/x/drop", 404)],
)
def test_a_city_that_is_none_is_404(client: Client, path: str, status: int) -> None:
    form = {"csrfmiddlewaretoken": token(client.get("/pages/cities").text)}
    assert client.post(path, data=form).status_code == status


def test_bad_input_is_refused(client: Client) -> None:
    for q in ("\0", "x" * 101):
        assert client.get("/pages/cities", params={"q": q}).status_code == 422
