from typing import Any

import pytest
from atlas.models import City, Country
from django.contrib.auth.models import Permission, User

from django_fastapi.testing import Client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loaded")]

CITIES = "/api/atlas/cities"
COUNTRIES = "/api/atlas/countries"
CITY = {
    "geoname_id": 99,
    "name": "Newtown",
    "country": "CH",
    "latitude": "46.94809",
    "longitude": "7.44744",
    "population": 7,
    "timezone": "Europe/Zurich",
}
COUNTRY = {
    "code": "QQ",
    "iso3": "QQQ",
    "numeric": 998,
    "name": "Nowhere",
    "area": 1,
    "population": 2,
    "continent": "EU",
    "currency": "CHF",
    "languages": ["de-CH"],
    "neighbours": ["CH", "LI"],
}


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def ann(client: Client) -> User:
    ann = User.objects.create_user("ann")
    client.force_login(ann)
    return ann


def allow(user: User, *codenames: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(content_type__app_label="atlas", codename__in=codenames))


def test_everybody_reads_and_who_writes_needs_the_permission(client: Client) -> None:
    assert client.get(CITIES).status_code == 200
    requests: list[tuple[str, str, Any]] = [
        ("POST", CITIES, CITY),
        ("PATCH", f"{CITIES}/1796236", {"population": 1}),
        ("DELETE", f"{CITIES}/1796236", None),
        ("DELETE", f"{COUNTRIES}/CH", None),
        ("POST", f"{CITIES}/bulk/create", [CITY]),
    ]
    for verb, path, body in requests:
        assert client.request(verb, path, json=body).status_code == 401, (verb, path)
    ann = User.objects.create_user("ann")
    client.force_login(ann)
    for verb, path, body in requests:
        assert client.request(verb, path, json=body).status_code == 403, (verb, path)
    allow(ann, "delete_city")
    assert client.delete(f"{CITIES}/1796236").status_code == 204
    assert client.delete(f"{COUNTRIES}/CH").status_code == 403
    assert not City.objects.filter(pk=1796236).exists()
    assert Country.objects.filter(pk="CH").exists()


def test_a_city_is_made_changed_and_deleted(client: Client, ann: User) -> None:
    allow(ann, "add_city", "change_city", "delete_city")
    made = client.post(CITIES, json=CITY)
    assert (made.status_code, made.headers["Location"]) == (201, f"{CITIES}/99")
    assert made.json()["country"]["continent"]["code"] == "EU"
    assert client.post(CITIES, json=CITY).json()["detail"][0]["loc"] == ["body", "geoname_id"]
    etag = made.headers["ETag"]
    changed = client.patch(f"{CITIES}/99", json={"population": 8}, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["population"]) == (200, 8)
    assert client.patch(f"{CITIES}/99", json={"population": 9}, headers={"If-Match": etag}).status_code == 412
    replaced = client.put(f"{CITIES}/99", json={**CITY, "country": "FR", "timezone": "Europe/Paris"})
    assert (replaced.json()["country"]["code"], replaced.json()["population"]) == ("FR", 7)
    assert client.delete(f"{CITIES}/99").status_code == 204


def test_a_country_is_made_changed_and_deleted(client: Client, ann: User) -> None:
    allow(ann, "add_country", "change_country", "delete_country")
    made = client.post(COUNTRIES, json=COUNTRY)
    assert (made.status_code, made.headers["Location"]) == (201, f"{COUNTRIES}/QQ")
    assert (sorted(made.json()["neighbours"]), made.json()["currency"]["code"]) == (["CH", "LI"], "CHF")
    changed = client.patch(f"{COUNTRIES}/QQ", json={"neighbours": ["AT"], "currency": None})
    assert (changed.json()["neighbours"], changed.json()["currency"]) == (["AT"], None)
    assert client.put(f"{COUNTRIES}/QQ", json={**COUNTRY, "code": "QR"}).status_code == 422
    assert client.delete(f"{COUNTRIES}/QQ").status_code == 204


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"country": "ZZ"}, ["body", "country"]),
        ({"country": "ch"}, ["body", "country"]),
        ({"latitude": "91"}, ["body", "latitude"]),
        ({"latitude": "1.123456"}, ["body", "latitude"]),
        ({"latitude": "NaN"}, ["body", "latitude"]),
        ({"population": 10**30}, ["body", "population"]),
        ({"population": -1}, ["body", "population"]),
        ({"name": ""}, ["body", "name"]),
        ({"name": "a\u0000b"}, ["body", "name"]),
        ({"mayor": "x"}, ["body", "mayor"]),
    ],
)
def test_what_is_wrong_with_a_city_is_told(client: Client, ann: User, change: dict[str, Any], loc: list[str]) -> None:
    allow(ann, "add_city")
    answer = client.post(CITIES, json={**CITY, **change})
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, loc)
    assert not City.objects.filter(pk=99).exists()


def test_several_cities_are_made_or_none(client: Client, ann: User) -> None:
    allow(ann, "add_city", "delete_city")
    cities = [{**CITY, "geoname_id": number} for number in (97, 98)]
    assert client.post(f"{CITIES}/bulk/create", json=[*cities, {**CITY, "country": "ZZ"}]).status_code == 422
    assert client.post(f"{CITIES}/bulk/create", json=cities).status_code == 201
    assert client.post(f"{CITIES}/bulk/delete", json=[97, 98]).status_code == 204
    assert not City.objects.filter(name="Newtown").exists()
