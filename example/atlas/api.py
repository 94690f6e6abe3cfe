"""The read API of the atlas: `/api/atlas/...`.

Written by hand, to show that an endpoint is FastAPI as everybody knows it and the ORM as everybody knows it. Each
endpoint has a fixed number of queries, whatever the number of rows.
"""

import re
from typing import Annotated

from django.db.models import Prefetch, QuerySet
from fastapi import Depends, HTTPException, Path, Query
from pydantic import StringConstraints

from atlas.models import City, Continent, Country
from atlas.schemas import CityOut, ContinentOut, CountryDetail, CountryOut, Page
from django_fastapi import APIRouter, api

MAX_INTEGER = 2**31 - 1
"""The largest value of an integer column in every database."""

WITHOUT_NUL = r"^[^\x00]*$"
"""PostgreSQL refuses NUL characters in any string."""

SearchText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=WITHOUT_NUL)]
Code = Annotated[str, StringConstraints(pattern="^[A-Za-z]{2}$")]
Limit = Annotated[int, Query(ge=1, le=100, description="How many rows to return at most.")]
Offset = Annotated[int, Query(ge=0, le=100_000, description="How many rows to skip.")]

router = APIRouter(prefix="/api/atlas", tags=["atlas"])


@router.get("/continents")
def list_continents() -> list[ContinentOut]:
    """List the continents by name."""
    return [ContinentOut.model_validate(continent) for continent in Continent.objects.all()]


@router.get("/countries")
async def list_countries(
    continent: Annotated[Code | None, Query(description="Only countries of this continent, such as EU.")] = None,
    q: Annotated[SearchText | None, Query(description="Only countries whose name contains this.")] = None,
    limit: Limit = 20,
    offset: Offset = 0,
) -> Page[CountryOut]:
    """List countries by name."""
    countries = Country.objects.select_related("continent")
    if continent is not None:
        countries = countries.filter(continent=continent.upper())
    if q is not None:
        countries = countries.filter(name__icontains=q)
    return Page(
        items=[CountryOut.model_validate(country) async for country in countries[offset : offset + limit]],
        total=await countries.acount(),
        limit=limit,
        offset=offset,
    )


def country_key(code: Annotated[str, Path(description="The ISO code of two letters, in either case.")]) -> str:
    """Return the primary key that the path means.

    Raises:
        HTTPException: 404, if it cannot be one; each database would compare it by rules of its own.
    """
    if not re.fullmatch("[A-Za-z]{2}", code):
        raise HTTPException(404, "There is no such country.")
    return code.upper()


@router.get("/countries/{code}", responses={404: {"description": "There is no such country."}})
def get_country(code: Annotated[str, Depends(country_key)]) -> CountryDetail:
    """Show a country with its continent, currency, languages and neighbours."""
    countries = Country.objects.select_related("continent", "currency").prefetch_related(
        "languages",
        Prefetch("neighbours", Country.objects.only("code").order_by("code")),
    )
    country = countries.filter(pk=code).first()
    if country is None:
        raise HTTPException(404, "There is no such country.")
    return CountryDetail.model_validate(country)


def with_country(cities: QuerySet[City]) -> QuerySet[City]:
    """Join what `CityOut` reads of the country, and order as the API promises."""
    return cities.select_related("country").order_by("-population", "pk")


@router.get("/cities")
def list_cities(
    country: Annotated[Code | None, Query(description="Only cities of this country, such as CH.")] = None,
    min_population: Annotated[int, Query(ge=0, le=MAX_INTEGER, description="Only cities of that many people.")] = 0,
    q: Annotated[SearchText | None, Query(description="Only cities whose name contains this.")] = None,
    limit: Limit = 20,
    offset: Offset = 0,
) -> Page[CityOut]:
    """List cities, the largest first."""
    cities = City.objects.filter(population__gte=min_population)
    if country is not None:
        cities = cities.filter(country=country.upper())
    if q is not None:
        cities = cities.filter(name__icontains=q)
    return Page(
        items=[CityOut.model_validate(city) for city in with_country(cities)[offset : offset + limit]],
        total=cities.count(),
        limit=limit,
        offset=offset,
    )


@router.get("/cities/{geoname_id}", responses={404: {"description": "There is no such city."}})
async def get_city(geoname_id: Annotated[int, Path(ge=1, le=MAX_INTEGER)]) -> CityOut:
    """Show a city."""
    city = await with_country(City.objects.filter(pk=geoname_id)).afirst()
    if city is None:
        raise HTTPException(404, "There is no such city.")
    return CityOut.model_validate(city)


api.include_router(router)
