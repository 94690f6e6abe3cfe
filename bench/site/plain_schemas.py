"""The schemas for FastAPI with Django's models: plain Pydantic."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _all(manager: Any) -> Any:
    return manager.all()


def _keys(manager: Any) -> Any:
    return [one.pk for one in manager.all()]


class NameOut(BaseModel):
    """A country or a language."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str


class UserOut(BaseModel):
    """A user."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    username: str
    email: str


class CityOut(BaseModel):
    """A city."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    population: int
    area: Decimal
    founded: date | None
    country: NameOut
    languages: Annotated[list[NameOut], BeforeValidator(_all)]


class TourIn(BaseModel):
    """A tour that is to be made."""

    name: Annotated[str, Field(max_length=200)]
    day: date
    price: Annotated[Decimal, Field(max_digits=8, decimal_places=2)]
    country: int
    languages: list[int]


class TourOut(BaseModel):
    """A tour."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    day: date
    price: Decimal
    country: Annotated[int, Field(validation_alias="country_id")]
    languages: Annotated[list[int], BeforeValidator(_keys)]
