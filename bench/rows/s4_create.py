"""S4: one object is made, with a foreign key and a many-to-many relation, both looked up, all of it or nothing."""

from typing import Any

from bench.work import Work

WORK = Work(
    "S4: a new tour with its country and languages",
    "/tours",
    "POST",
    (("Content-Type", "application/json"),),
    '{"name": "Along the coast", "day": "2025-05-01", "price": "12.50", "country": 3, "languages": [2, 5, 7]}',
    frozenset({"id"}),
)


def clear() -> None:
    """Take the tours away, with the room that they took."""
    from django.core.management.color import no_style
    from django.db import connection

    from bench.site.models import Tour

    tables = [Tour._meta.db_table, Tour.languages.through._meta.db_table]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables))


def _create(country: int, languages: list[int], **values: Any) -> Any:
    """Return a new tour, or None where something does not exist."""
    from django.db import transaction

    from bench.site.models import Country, Language, Tour

    with transaction.atomic():
        found = Language.objects.filter(pk__in=languages)
        if not Country.objects.filter(pk=country).exists() or len(found) != len(set(languages)):
            return None
        tour = Tour.objects.create(country_id=country, **values)
        tour.languages.set(found)
    return tour


def ours(api: Any) -> None:
    from bench.site.models import Tour
    from django_fastapi.orm import ModelSchema

    class TourIn(ModelSchema):
        class Meta:
            model = Tour
            fields = ("name", "day", "price", "country", "languages")

    class TourOut(TourIn):
        class Meta:
            fields = ("id", "name", "day", "price", "country", "languages")

    @api.post("/tours", response_model=TourOut, status_code=201)
    def create(data: TourIn) -> Any:
        return data.create()


def fastapi(api: Any) -> None:
    from fastapi import HTTPException

    from bench.site.plain_schemas import TourIn, TourOut

    @api.post("/tours", response_model=TourOut, status_code=201)
    def create(data: TourIn) -> Any:
        tour = _create(**data.model_dump())
        if tour is None:
            raise HTTPException(422)
        return tour


def ninja(api: Any) -> None:
    from ninja import ModelSchema
    from ninja.errors import HttpError

    from bench.site.models import Tour

    class TourIn(ModelSchema):
        country: int

        class Meta:
            model = Tour
            fields = ("name", "day", "price", "languages")

    class TourOut(TourIn):
        id: int
        country: int

        @staticmethod
        def resolve_country(tour: Any) -> int:
            return tour.country_id  # type: ignore[no-any-return]

        @staticmethod
        def resolve_languages(tour: Any) -> list[int]:
            return [language.pk for language in tour.languages.all()]

    @api.post("/tours", response={201: TourOut})
    def create(request: Any, data: TourIn) -> Any:
        tour = _create(**data.dict())
        if tour is None:
            raise HttpError(422, "")
        return 201, tour


def rest_framework(urls: list[Any]) -> None:
    from django.db import transaction
    from django.urls import path
    from rest_framework.decorators import api_view
    from rest_framework.response import Response
    from rest_framework.serializers import ModelSerializer

    from bench.site.models import Tour

    class TourSerializer(ModelSerializer):
        class Meta:
            model = Tour
            fields = ("id", "name", "day", "price", "country", "languages")

    @api_view(["POST"])
    def create(request: Any) -> Response:
        serializer = TourSerializer(data=request.data)
        with transaction.atomic():
            serializer.is_valid(raise_exception=True)
            serializer.save()
        return Response(serializer.data, 201)

    urls.append(path("tours", create))


def bolt(api: Any) -> None:
    from datetime import date
    from decimal import Decimal

    import msgspec
    from django_bolt.exceptions import HTTPException

    class TourIn(msgspec.Struct):
        name: str
        day: date
        price: Decimal
        country: int
        languages: list[int]

    class TourOut(TourIn, kw_only=True):
        id: int

    @api.post("/tours", status_code=201)
    def create(data: TourIn) -> TourOut:
        tour = _create(**msgspec.structs.asdict(data))
        if tour is None:
            raise HTTPException(422)
        languages = [language.pk for language in tour.languages.all()]
        return TourOut(tour.name, tour.day, tour.price, tour.country_id, languages, id=tour.pk)
