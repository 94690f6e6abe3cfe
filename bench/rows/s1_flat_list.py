"""S1: a short list of one model."""

from typing import Any

from bench.work import Work

WORK = Work("S1: 36 permissions", "/permissions")

SQL = "SELECT id, name FROM site_permission ORDER BY codename"


def ours(api: Any) -> None:
    from pydantic import BaseModel

    from bench.site.models import Permission
    from django_fastapi.orm import ModelSchema

    class PermissionOut(ModelSchema):
        class Meta:
            model = Permission
            fields = ("pk", "name")

    class Permissions(BaseModel):
        items: list[PermissionOut]

    @api.get("/permissions", response_model=Permissions)
    async def permissions() -> Any:
        return {"items": Permission.objects.all()}


def fastapi(api: Any) -> None:
    from pydantic import BaseModel, ConfigDict

    from bench.site.models import Permission

    class PermissionOut(BaseModel):
        model_config = ConfigDict(from_attributes=True)
        pk: int
        name: str

    class Permissions(BaseModel):
        items: list[PermissionOut]

    @api.get("/permissions", response_model=Permissions)
    def permissions() -> Any:
        return {"items": list(Permission.objects.all())}


def ninja(api: Any) -> None:
    from ninja import Schema

    from bench.site.models import Permission

    class PermissionOut(Schema):
        pk: int
        name: str

    class Permissions(Schema):
        items: list[PermissionOut]

    @api.get("/permissions", response=Permissions)
    def permissions(request: Any) -> Any:
        return {"items": list(Permission.objects.all())}


def rest_framework(urls: list[Any]) -> None:
    from django.urls import path
    from rest_framework.decorators import api_view
    from rest_framework.response import Response
    from rest_framework.serializers import ModelSerializer

    from bench.site.models import Permission

    class PermissionSerializer(ModelSerializer):
        class Meta:
            model = Permission
            fields = ("pk", "name")

    @api_view()
    def permissions(_request: Any) -> Response:
        return Response({"items": PermissionSerializer(Permission.objects.all(), many=True).data})

    urls.append(path("permissions", permissions))


def bolt(api: Any) -> None:
    import msgspec

    from bench.site.models import Permission

    class PermissionOut(msgspec.Struct):
        pk: int
        name: str

    class Permissions(msgspec.Struct):
        items: list[PermissionOut]

    @api.get("/permissions")
    def permissions() -> Permissions:
        return Permissions([PermissionOut(one.pk, one.name) for one in Permission.objects.all()])


def floor(app: Any) -> None:
    @app.get("/permissions")
    async def permissions(_request: Any) -> Any:
        return {"items": [{"pk": pk, "name": name} for pk, name in await app.rows(SQL)]}
