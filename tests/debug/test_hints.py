"""For each line that cannot run on the event loop, the cure for that very line."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.shortcuts import get_list_or_404, get_object_or_404
from fastapi import FastAPI
from pydantic import BaseModel, field_validator

from django_fastapi import DjangoRequest
from django_fastapi.debug.hints import Hint, find_hint
from django_fastapi.exceptions import AwaitForgotten

from .conftest import BROWSER, CLIENT, TERMINAL, Show

THREAD = "make `{}` a plain `def`: it runs on the request's thread, where this is allowed"
TWIN = "write `await {}`, with `from {}`"
RETURN = "return the queryset: the response model is filled on the request's thread"

permission = Permission(content_type_id=1)
groups = Group.objects.all()


async def get() -> Any:
    return Group.objects.filter(name="staff").get(pk=1)


async def chained() -> Any:
    return (
        Group.objects.filter(name="staff")
        .order_by("name")
        .first()
    )  # fmt: skip


async def create() -> Any:
    return Group.objects.create(name="staff")


async def save() -> Any:
    permission.save(force_insert=True)


async def loop() -> Any:
    for group in Group.objects.all():
        return group
    return None


async def chunked_loop() -> Any:
    for group in groups.iterator(chunk_size=10):
        return group
    return None


async def comprehension() -> Any:
    return [group.name for group in groups]


async def listing() -> Any:
    return list(groups.filter(name="staff"))


async def length() -> Any:
    return len(groups)


async def truth() -> Any:
    if groups:
        return 1
    return 0


async def falsehood() -> Any:
    return not groups


async def first_item() -> Any:
    return groups[0]


async def some_item() -> Any:
    return groups[7]


async def containment() -> Any:
    return permission in Permission.objects.all()


async def relation() -> Any:
    return permission.content_type.app_label


async def shortcut() -> Any:
    return get_object_or_404(Group, pk=1)


async def list_shortcut() -> Any:
    return get_list_or_404(Group, name="staff")


async def credentials() -> Any:
    return authenticate(None, username="a", password="b")


async def block() -> Any:
    with transaction.atomic():
        return 1


def helper(pk: int) -> Any:
    return Group.objects.get(pk=pk)


async def helped() -> Any:
    return helper(pk=1)


async def text() -> Any:
    return str(groups.query) + f"{groups}"


def hint_of(function: Callable[[], Any]) -> Hint:
    try:
        async_to_sync(function)()
    except Exception as error:  # noqa: BLE001 (whatever it is, it should have a hint)
        hint = find_hint(error)
        assert hint is not None
        return hint
    raise AssertionError("It went well.")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("function", "cures"),
    [
        (get, ['write `await Group.objects.filter(name="staff").aget(pk=1)`']),
        (create, ['write `await Group.objects.acreate(name="staff")`']),
        (save, ["write `await permission.asave(force_insert=True)`"]),
        (loop, ["write `async for group in Group.objects.all()`", RETURN]),
        (chunked_loop, ["write `async for group in groups.aiterator(chunk_size=10)`", RETURN]),
        (comprehension, ["write `async for group in groups`", RETURN]),
        (listing, ['write `[one async for one in groups.filter(name="staff")]`', RETURN]),
        (length, ["write `await groups.acount()`"]),
        (truth, ["write `await groups.aexists()`"]),
        (falsehood, ["write `await groups.aexists()`"]),
        (first_item, ["write `await groups.afirst()`"]),
        (some_item, ["write `[one async for one in groups][7]`"]),
        (containment, ["write `await Permission.objects.all().acontains(permission)`"]),
        (
            relation,
            [
                'load `permission` with `select_related("content_type")`',
                "return `permission` itself, with a field `content_type` in the schema of the response",
            ],
        ),
        (
            shortcut,
            [TWIN.format("aget_object_or_404(Group, pk=1)", "django_fastapi.shortcuts import aget_object_or_404")],
        ),
        (
            list_shortcut,
            [TWIN.format('aget_list_or_404(Group, name="staff")', "django_fastapi.shortcuts import aget_list_or_404")],
        ),
        (
            credentials,
            [
                TWIN.format(
                    'aauthenticate(None, username="a", password="b")', "django.contrib.auth import aauthenticate"
                )
            ],
        ),
        (block, ["give the route `dependencies=[django_fastapi.atomic()]` in the place of the `with` block"]),
        (helped, ["write `await sync_to_async(helper)(pk=1)`"]),
    ],
)
def test_the_line_is_mended(function: Callable[[], Any], cures: list[str]) -> None:
    hint = hint_of(function)
    assert [*hint.cures[:-1]] == cures
    assert hint.cures[-1] == THREAD.format(function.__name__)
    assert hint.file == __file__


def test_a_chain_over_several_lines_is_mended_as_a_whole() -> None:
    [cure, _] = hint_of(chained).cures
    assert cure.startswith("write `await Group.objects.filter(")
    assert cure.endswith(".afirst()`")


def test_what_has_no_twin_goes_to_the_thread() -> None:
    assert hint_of(text).cures[0].startswith("write `await sync_to_async(")


def test_other_exceptions_have_no_hint() -> None:
    assert find_hint(RuntimeError("x")) is None


def test_an_exception_that_tells_the_cure_itself_has_no_hint() -> None:
    with pytest.raises(AwaitForgotten) as caught:
        raise AwaitForgotten("Write `await`.")
    assert find_hint(caught.value) is None


class Checked(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def check(cls, value: str) -> str:
        Group.objects.get(name=value)
        return value


@pytest.mark.parametrize("accept", [BROWSER, CLIENT, TERMINAL])
def test_every_kind_of_page_has_the_hint(api: FastAPI, show: Show, accept: str) -> None:
    api.get("/group")(get)
    told = show("/group", accept).text.replace("&quot;", '"').replace('\\"', '"')
    assert 'await Group.objects.filter(name="staff").aget(pk=1)' in told


def test_a_validator_is_told_who_leads_to_it(api: FastAPI, show: Show) -> None:
    @api.get("/checked")
    async def checked() -> str:
        return Checked(name="a").name

    hint = show("/checked", CLIENT).json()["exception"]["hint"]
    assert hint["code"] == 'Checked(name="a")'
    assert hint["cures"][0] == 'write `await sync_to_async(Checked)(name="a")`'


def test_the_user_and_the_session_are_loaded_with_await(api: FastAPI, show: Show, settings: Any) -> None:
    @api.get("/user")
    async def user(request: DjangoRequest) -> bool:
        return request.user.is_staff

    @api.get("/session")
    async def session(request: DjangoRequest) -> Any:
        return request.session["cart"]

    prefix = "django.contrib"
    settings.MIDDLEWARE = [
        f"{prefix}.sessions.middleware.SessionMiddleware",
        f"{prefix}.auth.middleware.AuthenticationMiddleware",
    ]

    def first_cure(path: str) -> str:
        exception = show(path, CLIENT, headers={"Cookie": f"sessionid={'x' * 32}"}).json()["exception"]
        return str(exception["hint"]["cures"][0])

    assert first_cure("/session") == 'write `await request.session.aget("cart")`'
    assert first_cure("/user") == "write `(await request.auser()).is_staff`"
