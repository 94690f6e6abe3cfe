from decimal import Decimal
from typing import Any

import pytest
from atlas.models import City, Continent, Country, Currency, Language
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import ProtectedError

pytestmark = pytest.mark.django_db


@pytest.fixture
def switzerland() -> Country:
    europe = Continent.objects.create(code="EU", name="Europe", population=741_000_000)
    franc = Currency.objects.create(code="CHF", name="Franc")
    return Country.objects.create(
        code="CH",
        iso3="CHE",
        numeric=756,
        name="Switzerland",
        area=41_290,
        population=8_516_543,
        continent=europe,
        currency=franc,
    )


def city(**values: Any) -> City:
    bern = {
        "geoname_id": 2661552,
        "name": "Bern",
        "country_id": "CH",
        "latitude": Decimal("46.94809"),
        "longitude": Decimal("7.44744"),
        "population": 121_631,
        "timezone": "Europe/Zurich",
        "admin1_code": "BE",
    }
    return City(**{**bern, **values})


@pytest.mark.parametrize("model", [Continent, Country, Language, Currency, City])
def test_every_model_is_documented_and_named_for_people(model: Any) -> None:
    assert model.__doc__
    assert model._meta.verbose_name_plural in {"continents", "countries", "languages", "currencies", "cities"}


def test_rows_call_themselves_by_what_people_know(switzerland: Country) -> None:
    assert str(switzerland) == "Switzerland"
    assert str(switzerland.continent) == "Europe"
    assert str(switzerland.currency) == "CHF (Franc)"
    assert str(city()) == "Bern (CH)"
    assert str(Language(code="de-CH")) == "de-CH"


def test_a_language_says_its_base_and_its_region() -> None:
    assert (Language(code="de-CH").base, Language(code="de-CH").region) == ("de", "CH")
    assert (Language(code="yue").base, Language(code="yue").region) == ("yue", "")


@pytest.mark.usefixtures("switzerland")
@pytest.mark.parametrize(
    "wrong",
    [
        {"latitude": Decimal("90.00001")},
        {"latitude": Decimal("-90.00001")},
        {"longitude": Decimal("180.00001")},
        {"longitude": Decimal("-180.00001")},
        {"population": -1},
    ],
)
def test_the_database_and_the_forms_refuse_impossible_numbers(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        city(**wrong).full_clean()
    with pytest.raises(DatabaseError), transaction.atomic():  # MySQL calls a negative population a `DataError`
        city(**wrong).save()


@pytest.mark.usefixtures("switzerland")
@pytest.mark.parametrize("latitude", ["90", "-90", "0"])
def test_the_limits_themselves_are_allowed(latitude: str) -> None:
    row = city(latitude=Decimal(latitude), longitude=Decimal(latitude) * 2, population=0)
    row.full_clean()
    row.save()


@pytest.mark.parametrize("taken", [{"iso3": "CHE"}, {"numeric": 756}, {"name": "Switzerland"}])
def test_codes_and_names_of_countries_are_unique(switzerland: Country, taken: dict[str, Any]) -> None:
    other = {"code": "XX", "iso3": "XXX", "numeric": 1, "name": "Other", "area": 1, "population": 1, **taken}
    with pytest.raises(IntegrityError), transaction.atomic():
        Country.objects.create(continent=switzerland.continent, **other)


@pytest.mark.parametrize(
    ("field", "value"),
    [("code", "ch"), ("code", "C"), ("iso3", "CH1"), ("numeric", 0), ("numeric", 1000), ("postal_code_regex", "(")],
)
def test_malformed_values_are_refused(switzerland: Country, field: str, value: Any) -> None:
    setattr(switzerland, field, value)
    with pytest.raises(ValidationError) as error:
        switzerland.full_clean()
    assert field in error.value.message_dict


@pytest.mark.parametrize("code", ["DE", "de-ch", "d", "deutsch", "de-CH\n"])
def test_malformed_language_tags_are_refused(code: str) -> None:
    with pytest.raises(ValidationError):
        Language(code=code).full_clean()


def test_a_continent_or_currency_in_use_cannot_be_deleted(switzerland: Country) -> None:
    with pytest.raises(ProtectedError):
        switzerland.continent.delete()
    assert switzerland.currency is not None
    with pytest.raises(ProtectedError):
        switzerland.currency.delete()
    city().save()
    switzerland.delete()
    assert not City.objects.exists()


def test_neighbours_see_each_other(switzerland: Country) -> None:
    austria = Country.objects.create(
        code="AT", iso3="AUT", name="Austria", area=83_858, population=8_847_037, continent=switzerland.continent
    )
    switzerland.neighbours.add(austria)
    assert list(austria.neighbours.all()) == [switzerland]
