"""S2: one object, with the objects that belong to it."""

from typing import Any

from bench.work import Work

WORK = Work("S2: one city with its country and languages", "/cities/50")

CITY = (
    "SELECT c.id, c.name, c.population, c.area, c.founded, n.id, n.name "
    "FROM site_city c JOIN site_country n ON n.id = c.country_id WHERE c.id = ?"
)
LANGUAGES = (
    "SELECT l.id, l.name FROM site_city_languages t JOIN site_language l ON l.id = t.language_id "
    "WHERE t.city_id = ? ORDER BY l.id"
)


def ours(api: Any) -> None:
    from bench.site.models import City
    from bench.site.schemas import CityOut

    @api.get("/cities/{pk}", response_model=CityOut)
    async def city(pk: int) -> Any:
        return City.objects.filter(pk=pk)


def fastapi(api: Any) -> None:
    from django.shortcuts import get_object_or_404

    from bench.site.models import City
    from bench.site.plain_schemas import CityOut

    @api.get("/cities/{pk}", response_model=CityOut)
    def city(pk: int) -> Any:
        return get_object_or_404(City.objects.select_related("country").prefetch_related("languages"), pk=pk)


def ninja(api: Any) -> None:
    from django.shortcuts import get_object_or_404

    from bench.site.models import City
    from bench.site.ninja_schemas import CityOut

    @api.get("/cities/{pk}", response=CityOut)
    def city(request: Any, pk: int) -> Any:
        return get_object_or_404(City.objects.select_related("country").prefetch_related("languages"), pk=pk)


def rest_framework(urls: list[Any]) -> None:
    from django.shortcuts import get_object_or_404
    from django.urls import path
    from rest_framework.decorators import api_view
    from rest_framework.response import Response

    from bench.site.models import City
    from bench.site.serializers import CitySerializer

    @api_view()
    def city(_request: Any, pk: int) -> Response:
        cities = City.objects.select_related("country").prefetch_related("languages")
        return Response(CitySerializer(get_object_or_404(cities, pk=pk)).data)

    urls.append(path("cities/<int:pk>", city))


def bolt(api: Any) -> None:
    from django.shortcuts import get_object_or_404

    from bench.site.models import City
    from bench.site.structs import CityOut, city_out

    @api.get("/cities/{pk}")
    def city(pk: int) -> CityOut:
        cities = City.objects.select_related("country").prefetch_related("languages")
        return city_out(get_object_or_404(cities, pk=pk))


def floor(app: Any) -> None:
    @app.get("/cities/{pk:int}")
    async def city(request: Any) -> Any:
        pk = request.path_params["pk"]
        ((key, name, population, area, founded, country, country_name),) = await app.rows(CITY, pk)
        languages = [{"id": one, "name": text} for one, text in await app.rows(LANGUAGES, pk)]
        return {
            "id": key,
            "name": name,
            "population": population,
            "area": app.decimal(area, 2),
            "founded": founded,
            "country": {"id": country, "name": country_name},
            "languages": languages,
        }
