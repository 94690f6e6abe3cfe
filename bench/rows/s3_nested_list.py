"""S3: a list, with the objects that belong to each."""

from collections import defaultdict
from typing import Any

from bench.work import Work

WORK = Work("S3: 100 cities with their country and languages", "/cities")

CITIES = (
    "SELECT c.id, c.name, c.population, c.area, c.founded, n.id, n.name "
    "FROM site_city c JOIN site_country n ON n.id = c.country_id ORDER BY c.id"
)
LANGUAGES = (
    "SELECT t.city_id, l.id, l.name FROM site_city_languages t JOIN site_language l ON l.id = t.language_id "
    "ORDER BY l.id"
)


def ours(api: Any) -> None:
    from bench.site.models import City
    from bench.site.schemas import CityOut

    @api.get("/cities", response_model=list[CityOut])
    async def cities() -> Any:
        return City.objects.all()


def fastapi(api: Any) -> None:
    from bench.site.models import City
    from bench.site.plain_schemas import CityOut

    @api.get("/cities", response_model=list[CityOut])
    def cities() -> Any:
        return list(City.objects.select_related("country").prefetch_related("languages"))


def ninja(api: Any) -> None:
    from bench.site.models import City
    from bench.site.ninja_schemas import CityOut

    @api.get("/cities", response=list[CityOut])
    def cities(request: Any) -> Any:
        return City.objects.select_related("country").prefetch_related("languages")


def rest_framework(urls: list[Any]) -> None:
    from django.urls import path
    from rest_framework.decorators import api_view
    from rest_framework.response import Response

    from bench.site.models import City
    from bench.site.serializers import CitySerializer

    @api_view()
    def cities(_request: Any) -> Response:
        found = City.objects.select_related("country").prefetch_related("languages")
        return Response(CitySerializer(found, many=True).data)

    urls.append(path("cities", cities))


def bolt(api: Any) -> None:
    from bench.site.models import City
    from bench.site.structs import CityOut, city_out

    @api.get("/cities")
    def cities() -> list[CityOut]:
        return [city_out(city) for city in City.objects.select_related("country").prefetch_related("languages")]


def floor(app: Any) -> None:
    @app.get("/cities")
    async def cities(_request: Any) -> Any:
        rows = await app.rows(CITIES)
        languages = defaultdict(list)
        for city, key, name in await app.rows(LANGUAGES):
            languages[city].append({"id": key, "name": name})
        return [
            {
                "id": key,
                "name": name,
                "population": population,
                "area": app.decimal(area, 2),
                "founded": founded,
                "country": {"id": country, "name": country_name},
                "languages": languages[key],
            }
            for key, name, population, area, founded, country, country_name in rows
        ]
