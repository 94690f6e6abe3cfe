from typing import Any

import pytest
from atlas.models import City, Continent, Country, Currency, Language
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("loaded")]

SEARCHES = [
    (Continent, "europe", "EU"),
    (Language, "de-CH", "de-CH"),
    (Currency, "chf", "CHF"),
    (Country, "switz", "CH"),
    (City, "shanghai", "1796236"),
]
every_search = pytest.mark.parametrize(("model", "search", "key"), SEARCHES)
every_page = pytest.mark.parametrize(("model", "key"), [(model, key) for model, _, key in SEARCHES])
every_model = pytest.mark.parametrize("model", [model for model, _, _ in SEARCHES])


def admin_url(model: Any, page: str, *args: str) -> str:
    return reverse(f"admin:atlas_{model.__name__.lower()}_{page}", args=args)


@every_model
def test_the_list_renders(admin_client: Client, model: Any) -> None:
    answer = admin_client.get(admin_url(model, "changelist"))
    assert answer.status_code == 200
    assert answer.context["cl"].result_count == model.objects.count()


@every_search
def test_the_search_finds_the_row(admin_client: Client, model: Any, search: str, key: str) -> None:
    answer = admin_client.get(admin_url(model, "changelist"), {"q": search})
    assert key in {str(row.pk) for row in answer.context["cl"].result_list}


@every_page
def test_the_change_page_renders_few_options_and_protects_the_key(admin_client: Client, model: Any, key: str) -> None:
    answer = admin_client.get(admin_url(model, "change", key))
    assert answer.status_code == 200
    assert answer.content.count(b"<option") < 30
    assert model._meta.pk.name not in answer.context["adminform"].form.fields


@every_model
def test_the_add_page_renders_and_asks_for_the_key(admin_client: Client, model: Any) -> None:
    answer = admin_client.get(admin_url(model, "add"))
    assert answer.status_code == 200
    assert model._meta.pk.name in answer.context["adminform"].form.fields


def test_a_change_is_saved(admin_client: Client) -> None:
    answer = admin_client.post(admin_url(Currency, "change", "CHF"), {"name": "Swiss franc"})
    assert answer.status_code == 302
    assert Currency.objects.get(pk="CHF").name == "Swiss franc"


def test_countries_are_found_by_autocompletion(admin_client: Client) -> None:
    field = {"app_label": "atlas", "model_name": "city", "field_name": "country"}
    answer = admin_client.get(reverse("admin:autocomplete"), {"term": "switz", **field})
    assert answer.json()["results"] == [{"id": "CH", "text": "Switzerland"}]


def test_cities_are_filtered_by_population_and_by_continent(admin_client: Client) -> None:
    answer = admin_client.get(
        admin_url(City, "changelist"),
        {"min_population": "10000000", "country__continent__code__exact": "NA"},
    )
    assert [city.name for city in answer.context["cl"].result_list] == ["Mexico City"]


def test_a_population_that_is_not_offered_filters_nothing(admin_client: Client) -> None:
    answer = admin_client.get(admin_url(City, "changelist"), {"min_population": "1 or 1"})
    assert answer.context["cl"].result_count == City.objects.count()


@pytest.mark.parametrize(("model", "search"), [(City, "san"), (Country, "land")])
def test_lists_join_what_they_show(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries, model: Any, search: str
) -> None:
    with django_assert_max_num_queries(7):
        answer = admin_client.get(admin_url(model, "changelist"), {"q": search})
    assert answer.context["cl"].result_count > 10
