"""Where `JWTAuth` has its user from: the database, the cache, or the claims alone."""

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection, models, transaction
from django.db.models.signals import post_delete, post_save
from django.test.utils import CaptureQueriesContext, isolate_apps
from fastapi import Depends, FastAPI, Request, WebSocket
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

from django_fastapi.auth import (
    current_user_by,
    group_required,
    permission_required,
    staff_required,
    superuser_required,
    user_passes_test,
)
from django_fastapi.auth.user_cache import MAX_AGE, find_cached_user
from django_fastapi.exceptions import ConfigurationError
from django_fastapi.requests import slot_of
from django_fastapi.testing import Client
from django_fastapi.testing.websockets import WebSocketDenied
from tests.auth.conftest import MakeUser
from tests.auth.test_tokens import REFUSAL, access_token, bearer

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SOURCES = ["database", "cached", "claims"]


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    cache.clear()


@pytest.fixture
def routes(api: FastAPI, client: Client) -> Client:
    """Give a client of a site with the routes /database, /cached and /claims, which say whom they see."""
    from django_fastapi.auth import JWTAuth  # noqa: PLC0415 (imports models)

    for source in SOURCES:
        user: Any = current_user_by(JWTAuth(user=source))  # type: ignore[arg-type]

        def endpoint(user: Annotated[Any, Depends(user)]) -> str:
            return str(user.pk)

        async def async_endpoint(user: Annotated[Any, Depends(user)]) -> str:
            return str(user.pk)

        api.add_api_route(f"/{source}", endpoint, methods=["GET", "POST"])
        api.add_api_route(f"/async/{source}", async_endpoint, methods=["GET", "POST"])
    return client


@pytest.mark.parametrize(("source", "count"), [("database", 1), ("cached", 0), ("claims", 0)])
@pytest.mark.parametrize("prefix", ["", "/async"])
def test_the_user_costs_one_query_or_none(routes: Client, ada: "User", prefix: str, source: str, count: int) -> None:
    headers = bearer(access_token(ada))
    path = f"{prefix}/{source}"
    assert routes.get(path, headers=headers).json() == str(ada.pk)
    with CaptureQueriesContext(connection) as queries:
        assert routes.get(path, headers=headers).json() == str(ada.pk)
    assert len(queries) == count


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("token", ["", "x", "x.y.z", "x" * 9000])
def test_every_source_refuses_what_is_no_token(routes: Client, source: str, token: str) -> None:
    answer = routes.get(f"/{source}", headers=bearer(token))
    assert (answer.status_code, answer.json()) == (401, REFUSAL)


@pytest.mark.parametrize("source", ["database", "cached"])
@pytest.mark.parametrize("change", ["saved", "deleted", "new password", "renamed"])
def test_a_change_that_sends_a_signal_counts_at_once(routes: Client, ada: "User", source: str, change: str) -> None:
    headers = bearer(access_token(ada))
    assert routes.get(f"/{source}", headers=headers).status_code == 200
    if change == "saved":
        ada.is_active = False
        ada.save()
    elif change == "new password":
        ada.set_password("another")
        ada.save()
    elif change == "renamed":
        ada.username = "countess"
        ada.save()
    else:
        ada.delete()
    answer = routes.get(f"/{source}", headers=headers)
    assert (answer.status_code, answer.json()) == (401, REFUSAL)


def test_a_change_without_a_signal_is_seen_when_the_entry_has_gone(routes: Client, ada: "User") -> None:
    headers = bearer(access_token(ada))
    assert routes.get("/cached", headers=headers).status_code == 200
    type(ada).objects.update(is_active=False)
    assert routes.get("/cached", headers=headers).status_code == 200
    cache.clear()  # as MAX_AGE does
    assert routes.get("/cached", headers=headers).status_code == 401
    assert MAX_AGE == 60


def test_an_entry_of_before_the_commit_goes_with_the_commit(
    routes: Client, ada: "User", django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    headers = bearer(access_token(ada))
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        ada.save()
        assert routes.get("/cached", headers=headers).status_code == 200
        type(ada).objects.update(is_active=False)
    assert routes.get("/cached", headers=headers).status_code == 401


def test_a_cache_that_is_away_costs_a_query_and_refuses_no_change(
    routes: Client, ada: "User", settings: Settings
) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    }
    headers = bearer(access_token(ada))
    assert routes.get("/cached", headers=headers).status_code == 200
    ada.is_active = False
    ada.save()
    assert routes.get("/cached", headers=headers).status_code == 401


@pytest.mark.parametrize("reason", ["full", "not picklable"])
def test_a_cache_that_takes_no_user_costs_a_query(
    routes: Client, ada: "User", monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("out of memory")

    if reason == "full":
        monkeypatch.setattr(LocMemCache, "set", refuse)
    else:
        monkeypatch.setattr(type(ada), "__reduce__", refuse)
    headers = bearer(access_token(ada))
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert routes.get("/cached", headers=headers).status_code == 200
        assert len(queries) == 1


@pytest.mark.parametrize("field", ["pk", "username"])
def test_a_change_by_a_proxy_counts_at_once(routes: Client, ada: "User", settings: Settings, field: str) -> None:
    from django.contrib.auth.models import User  # noqa: PLC0415 (Django is not set up before)

    with isolate_apps("tests.project.library"):

        class Person(User):
            class Meta:
                proxy = True
                app_label = "library"

    settings.FASTAPI_AUTH = {"JWT": {"USER_ID_FIELD": field}}
    headers = bearer(access_token(ada))
    assert routes.get("/cached", headers=headers).status_code == 200
    person = Person.objects.get(pk=ada.pk)
    person.is_active = False
    person.save()
    assert routes.get("/cached", headers=headers).status_code == 401


def test_a_change_by_a_child_model_counts_at_once(ada: "User") -> None:
    from django.contrib.auth.models import User  # noqa: PLC0415

    with isolate_apps("tests.project.library"):

        class Employee(User):
            person = models.OneToOneField(User, models.CASCADE, parent_link=True, related_name="+")
            badge = models.CharField(primary_key=True, max_length=9)

            class Meta:
                app_label = "library"

    assert find_cached_user(str(ada.pk)) == ada
    type(ada).objects.update(is_active=False)
    post_save.send(Employee, instance=Employee(badge="x", id=ada.pk), using="default")
    found = find_cached_user(str(ada.pk))
    assert found is not None
    assert not found.is_active


def test_only_models_of_users_are_listened_to() -> None:
    from django.contrib.auth.models import Group  # noqa: PLC0415

    # Django deletes many rows by one statement only where nobody listens.
    assert not post_save.has_listeners(Group)
    assert not post_delete.has_listeners(Group)


def test_a_user_known_by_name_is_cached_and_ends_with_the_name(
    routes: Client, ada: "User", settings: Settings, make_user: MakeUser
) -> None:
    settings.FASTAPI_AUTH = {"JWT": {"USER_ID_FIELD": "username"}}
    headers = bearer(access_token(ada))
    for count in (1, 0):
        with CaptureQueriesContext(connection) as queries:
            assert routes.get("/cached", headers=headers).json() == str(ada.pk)
        assert len(queries) == count
    assert find_cached_user("ada", "username") == ada
    ada.username = "countess"
    ada.save()
    assert routes.get("/cached", headers=headers).status_code == 401
    assert find_cached_user("ada", "username") is None
    assert find_cached_user("countess", "username") == ada
    assert find_cached_user("ada", "username") is None
    other = make_user("ada")
    assert find_cached_user("ada", "username") == other


def test_a_name_of_any_length_is_cached(ada: "User", django_assert_num_queries: DjangoAssertNumQueries) -> None:
    ada.username = "\U00010400" * 150
    ada.save()
    for count in (1, 0):
        with django_assert_num_queries(count):
            assert find_cached_user(ada.username, "username") == ada


def test_claims_give_nobody_a_permission(routes: Client, api: FastAPI, make_user: MakeUser) -> None:
    from django.contrib.auth.models import Group  # noqa: PLC0415 (Django is not set up before)

    from django_fastapi.auth import JWTAuth  # noqa: PLC0415 (imports models)

    boss = make_user("boss", "atlas.delete_city", is_staff=True, is_superuser=True)
    boss.groups.add(Group.objects.create(name="editors"))
    by_claims, by_database = (current_user_by(JWTAuth(user=source)) for source in ("claims", "database"))  # type: ignore[arg-type]
    for number, user in enumerate((by_claims, by_database)):
        requirements = [
            permission_required("atlas.delete_city", user=user),
            group_required("editors", user=user),
            user_passes_test(bool, user=user),
            ~permission_required("atlas.add_city", user=user) | permission_required("atlas.add_city", user=user),
        ]
        for index, requirement in enumerate(requirements):
            api.add_api_route(f"/{number}/{index}", lambda: "ok", dependencies=[Depends(requirement)])
    headers = bearer(access_token(boss))
    assert [routes.get(f"/0/{index}", headers=headers).status_code for index in range(4)] == [403] * 4
    assert [routes.get(f"/1/{index}", headers=headers).status_code for index in range(4)] == [200] * 4
    assert staff_required.user == superuser_required.user


def test_what_claims_know_is_the_key_and_nothing_is_granted(ada: "User") -> None:
    from django_fastapi.auth.users import user_from_claims  # noqa: PLC0415 (Django is not set up before)

    user = user_from_claims(str(ada.pk))
    assert (user.pk, user.id) == (ada.pk, ada.pk)
    assert user.is_authenticated
    assert not user.is_anonymous
    assert not user.is_staff
    assert not user.is_superuser
    assert not user.has_perm("atlas.delete_city")
    assert not user.has_perms(["atlas.delete_city"])
    assert not user.has_module_perms("atlas")


def test_claims_need_the_primary_key(routes: Client, ada: "User", settings: Settings) -> None:
    settings.FASTAPI_AUTH = {"JWT": {"USER_ID_FIELD": "username"}}
    headers = bearer(access_token(ada))
    assert routes.get("/cached", headers=headers).status_code == 200
    with pytest.raises(ConfigurationError, match="USER_ID_FIELD"):
        routes.get("/claims", headers=headers)


def test_a_source_that_does_not_exist_is_refused() -> None:
    from django_fastapi.auth import JWTAuth  # noqa: PLC0415 (imports models)

    with pytest.raises(ConfigurationError, match="'database', 'cached', 'claims'"):
        JWTAuth(user="nowhere")  # type: ignore[arg-type]


@pytest.mark.parametrize("source", SOURCES)
def test_by_cookie_safe_methods_pass_and_unsafe_ones_need_the_csrf_token(
    routes: Client, ada: "User", settings: Settings, source: str
) -> None:
    settings.FASTAPI_AUTH = {"JWT": {"COOKIE": "access"}}
    token = access_token(ada)
    with Client(routes.app, enforce_csrf_checks=True) as browser:
        browser.cookies.set("access", token)
        for prefix in ("", "/async"):
            assert browser.get(f"{prefix}/{source}").status_code == 200
            assert browser.post(f"{prefix}/{source}").status_code == 403
            assert browser.post(f"{prefix}/{source}", headers=bearer(token)).status_code == 200
        browser.cookies.set("access", "x")
        assert browser.get(f"/{source}").status_code == 401


@pytest.mark.parametrize("source", SOURCES)
def test_by_cookie_the_origin_of_a_websocket_is_checked(
    api: FastAPI, client: Client, ada: "User", settings: Settings, source: Any
) -> None:
    from django_fastapi.auth import JWTAuth  # noqa: PLC0415 (imports models)

    @api.websocket("/socket")
    async def socket(
        websocket: WebSocket, user: Annotated[Any, Depends(current_user_by(JWTAuth(user=source)))]
    ) -> None:
        await websocket.accept()
        await websocket.send_text(str(user.pk))

    def hello(origin: str, **headers: str) -> str:
        with client.websocket_connect("/socket", headers={"Origin": origin, **headers}) as websocket:
            return websocket.receive_text()

    settings.FASTAPI_AUTH = {"JWT": {"COOKIE": "access"}}
    token = access_token(ada)
    assert hello("http://evil.test", **bearer(token)) == str(ada.pk)
    client.cookies.set("access", token)
    assert hello("http://testserver") == str(ada.pk)
    with pytest.raises(WebSocketDenied) as caught:
        hello("http://evil.test")
    assert caught.value.response.status_code == 403


@pytest.mark.parametrize("source", SOURCES)
def test_the_answer_varies_by_the_cookie_where_a_token_may_come_in_one(
    routes: Client, ada: "User", settings: Settings, source: str
) -> None:
    headers = bearer(access_token(ada))
    assert routes.get(f"/{source}", headers=headers).headers["vary"] == "Authorization"
    settings.FASTAPI_AUTH = {"JWT": {"COOKIE": "access"}}
    answers = [routes.get(f"/{source}"), routes.get(f"/{source}", headers=headers)]
    routes.cookies.set("access", access_token(ada))
    answers.append(routes.get(f"/{source}"))
    assert [answer.status_code for answer in answers] == [401, 200, 200]
    for answer in answers:
        assert {"Authorization", "Cookie"} <= set(answer.headers["vary"].split(", "))


CLAIMS_ONLY = "tests.auth.schemes.test_jwt.claims_only"


def __getattr__(name: str) -> object:
    """Give a scheme as a project has one in a module of its own; it imports models, and so is made late."""
    if name == "claims_only":
        from django_fastapi.auth import JWTAuth  # noqa: PLC0415 (imports models)

        return JWTAuth(user="claims")
    raise AttributeError(name)


def test_the_settings_can_name_an_instance_and_me_tells_nothing_that_nobody_has_looked_up(
    api: FastAPI, client: Client, ada: "User", settings: Settings
) -> None:
    from django_fastapi.auth import CurrentUser, auth_router  # noqa: PLC0415 (read with the settings)

    settings.FASTAPI_AUTH = {"SCHEMES": [CLAIMS_ONLY]}
    api.include_router(auth_router(jwt=True), prefix="/auth")

    @api.get("/claimed")
    async def claimed(user: CurrentUser) -> str:
        return str(user.pk)

    headers = bearer(access_token(ada))
    assert client.get("/claimed", headers=headers).json() == str(ada.pk)
    assert client.get("/auth/me", headers=headers).status_code == 403
    assert client.post("/auth/logout/all", headers=headers).status_code == 403


@pytest.mark.django_db
def test_a_token_in_a_header_needs_no_request_of_djangos(api: FastAPI, client: Client, ada: "User") -> None:
    from django_fastapi.auth import JWTAuth  # noqa: PLC0415 (imports models)

    @api.get("/")
    async def endpoint(request: Request, user: Annotated[Any, Depends(current_user_by(JWTAuth()))]) -> list[Any]:
        return [user.pk, slot_of(request).request is None]

    assert client.get("/", headers=bearer(access_token(ada))).json() == [ada.pk, True]
