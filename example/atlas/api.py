"""The API of the atlas: `/api/atlas/...`.

Everybody may read. Whoever writes needs Django's permission for it, such as `atlas.delete_city`; nobody loses what
somebody else has changed meanwhile (`If-Match`), and a POST with an `Idempotency-Key` is done once.
"""

from typing import Annotated

from django.db.models import QuerySet

from atlas.models import City, Continent, Country
from atlas.schemas import CityIn, CityOut, ContinentOut, CountryDetail, CountryIn, CountryOut
from django_fastapi import APIRouter, api
from django_fastapi.crud import crud_router
from django_fastapi.orm import CursorPage, FilterSchema, LimitOffsetPage, OrderBy, Search

router = APIRouter(prefix="/api/atlas", tags=["atlas"])


class CountryFilter(FilterSchema):
    """Which countries; a continent is named by its code, such as EU."""

    continent: str | None = None
    population__gte: int | None = None
    search: Annotated[str | None, Search("name", "capital")] = None

    class Meta:
        model = Country


class CityFilter(FilterSchema):
    """Which cities; a country is named by its code, such as CH."""

    country: str | None = None
    population__gte: int | None = None
    search: Annotated[str | None, Search("name")] = None

    class Meta:
        model = City


@router.get("/continents", response_model=list[ContinentOut])
def list_continents() -> QuerySet[Continent]:
    """List the continents by name."""
    return Continent.objects.all()


router.include_router(
    crud_router(
        Country,
        read=CountryDetail,
        read_list=CountryOut,
        write=CountryIn,
        prefix="/countries",
        lookup_field="code",
        filters=CountryFilter,
        ordering=OrderBy("name", "population", "area", default=["name"], model=Country),
        pagination=LimitOffsetPage,
        permissions={"list": [], "retrieve": []},
        etag="content",
        idempotency=True,
    )
)
router.include_router(
    crud_router(
        City,
        read=CityOut,
        write=CityIn,
        prefix="/cities",
        lookup_field="geoname_id",
        filters=CityFilter,
        ordering=OrderBy("population", "name", default=["-population"], model=City),
        pagination=CursorPage,
        permissions={"list": [], "retrieve": []},
        etag="content",
        idempotency=True,
        bulk=100,
        run_async=True,
    )
)

api.include_router(router)
