"""What a type checker makes of schemas."""

from typing import assert_type

from django.contrib.auth.models import Group

from django_fastapi.orm import ModelSchema, Plan, create_schema, plan_query


class GroupOut(ModelSchema):
    """A schema with a declared field."""

    name: str

    class Meta:
        """Which model."""

        model = Group
        fields = ("id",)


class GroupPatch(GroupOut, partial=True):
    """The typed form of a partial schema."""


async def use(group: Group) -> None:
    assert_type(GroupOut.from_orm(group), GroupOut)
    assert_type(await GroupOut.from_orm_async(group), GroupOut)
    assert_type(GroupOut.from_queryset(Group.objects.all()), list[GroupOut])
    assert_type(GroupOut.from_queryset(Group.objects), list[GroupOut])
    assert_type(await GroupOut.from_queryset_async(Group.objects.all()), list[GroupOut])
    assert_type(GroupOut.from_orm(group).name, str)
    assert_type(GroupOut(name="x").update(group), Group)
    assert_type(await GroupOut(name="x").aupdate(group), Group)
    assert_type(GroupOut.partial(), type[GroupOut])
    assert_type(plan_query(GroupOut), Plan)
    assert_type(create_schema(Group, fields=["name"]), type[ModelSchema])
