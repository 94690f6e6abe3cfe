import inspect
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.core import signing
from django.core.cache import caches
from django.db import connection
from django.middleware.csrf import CSRF_SECRET_LENGTH, CSRF_SESSION_KEY
from django.test import Client as DjangoClient
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from fastapi import FastAPI
from pytest_django import DjangoAssertNumQueries, Settings

from django_fastapi import DjangoRequest
from django_fastapi.auth import CurrentUser, SessionAuth
from django_fastapi.testing import Client
from tests.auth.conftest import MakeUser, cookies_of

if TYPE_CHECKING:
    from types import FrameType

    from django.contrib.auth.models import User

pytestmark = pytest.mark.usefixtures("who")

PATHS = ["/who", "/async-who"]
UNSAFE = ["POST", "PUT", "PATCH", "DELETE"]
TOKEN = "t" * CSRF_SECRET_LENGTH
ENGINES = ["db", "cached_db", "cache", "file", "signed_cookies"]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, settings: Settings, tmp_path: Any) -> Iterator[str]:
    """Set the session engine to each one of Django's in turn."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    yield request.param
    caches["default"].clear()


@pytest.mark.parametrize("path", PATHS)
def test_a_session_says_who_it_is(client: Client, ada: "User", path: str) -> None:
    client.force_login(ada)
    answer = client.get(path)
    assert answer.json() == "ada"
    assert "Cookie" in answer.headers["vary"]
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
def test_so_does_one_without_time_zones(client: Client, ada: "User", settings: Settings, path: str) -> None:
    settings.USE_TZ = False
    client.force_login(ada)
    assert client.get(path).json() == "ada"


def test_optional_users_are_there_or_not(client: Client, ada: "User") -> None:
    for path in ("/maybe", "/async-maybe"):
        answer = client.get(path)
        assert answer.json() is None
        assert "Cookie" in answer.headers["vary"]
    client.force_login(ada)
    assert [client.get(path).json() for path in ("/maybe", "/async-maybe")] == ["ada", "ada"]


def test_the_user_is_a_loaded_row_and_djangos_request_has_it(
    client: Client, api: FastAPI, ada: "User", django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    @api.get("/seen")
    async def seen(user: CurrentUser, request: DjangoRequest) -> list[bool]:
        given: object = user
        return [
            not isinstance(given, SimpleLazyObject),
            type(given).__name__ == "User",
            request.user is given,
            await request.auser() is given,
        ]

    client.force_login(ada)
    with django_assert_num_queries(2):
        assert client.get("/seen").json() == [True] * 4


@pytest.mark.parametrize("path", PATHS)
def test_the_user_costs_one_hop_to_the_requests_thread(client: Client, ada: "User", path: str) -> None:
    """Both queries are made within one and the same call of the scheme, which is sent there as a whole."""
    calls: list[FrameType | None] = []

    def note(execute: Any, *query: Any) -> Any:
        frame = inspect.currentframe()
        while frame is not None and frame.f_code is not SessionAuth.authenticate.__code__:
            frame = frame.f_back
        calls.append(frame)
        return execute(*query)

    client.force_login(ada)
    with connection.execute_wrapper(note):
        assert client.get(path).json() == "ada"
    first, second = calls
    assert first is second is not None


def expire(_client: Client, _user: "User") -> None:
    from django.contrib.sessions.models import Session  # noqa: PLC0415 (Django is not set up before)

    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))


def end(client: Client, _user: "User") -> None:
    client.session.delete(client.session.session_key)


def delete_user(_client: Client, user: "User") -> None:
    user.delete()


def deactivate(_client: Client, user: "User") -> None:
    type(user).objects.update(is_active=False)


def change_password(_client: Client, user: "User") -> None:
    user.set_password("another one")
    user.save()


def set_cookie(value: str) -> Any:
    def change(client: Client, _user: "User") -> None:
        client.cookies.clear()
        client.cookies["sessionid"] = value

    return change


def forget_hash(client: Client, _user: "User") -> None:
    session = client.session
    del session[HASH_SESSION_KEY]
    session.save()


def name_somebody(value: str) -> Any:
    def change(client: Client, _user: "User") -> None:
        session = client.session
        session[SESSION_KEY] = value
        session.save()

    return change


def name_nobody(client: Client, _user: "User") -> None:
    session = client.session
    del session[SESSION_KEY]
    session.save()


def name_backend(client: Client, _user: "User") -> None:
    session = client.session
    session["_auth_user_backend"] = "os.path.join"
    session.save()


def tamper(_client: Client, _user: "User") -> None:
    from django.contrib.sessions.models import Session  # noqa: PLC0415

    row = Session.objects.get()
    row.session_data = row.session_data[:-1] + ("a" if row.session_data[-1] != "a" else "b")
    row.save()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "spoil",
    [
        expire,
        end,
        delete_user,
        deactivate,
        change_password,
        forget_hash,
        tamper,
        name_somebody("0"),
        name_somebody(str(10**30)),
        name_nobody,
        name_backend,
        set_cookie(""),
        set_cookie("x"),
        set_cookie("../../etc/passwd"),
        set_cookie("' OR 1=1 --"),
        set_cookie("k" * 8000),
        set_cookie("%00"),
        set_cookie("\\303\\251"),
        set_cookie(r'"abcdefgh\000"'),
    ],
)
def test_whatever_is_wrong_with_it_the_answer_is_the_same(client: Client, ada: "User", path: str, spoil: Any) -> None:
    nobody = client.get(path)
    assert nobody.status_code == 401
    assert nobody.json() == {"detail": "Not authenticated"}
    assert nobody.headers["www-authenticate"] == "Bearer, Session"
    client.force_login(ada)
    assert client.get(path).status_code == 200
    spoil(client, ada)
    answer = client.get(path)
    assert answer.status_code == 401
    assert answer.content == nobody.content
    assert answer.headers["www-authenticate"] == "Bearer, Session"
    assert client.post(path).status_code == 401
    assert client.get("/maybe").json() is None


@pytest.mark.parametrize("saves", [False, True])
@pytest.mark.parametrize("key", [r"abcdefgh\000", r"abcdefgh\011", r"abcdefgh\177", r"abcdefgh\351"])
@pytest.mark.usefixtures("db", "engine")
def test_no_engine_is_asked_for_a_session_of_an_unspeakable_key(
    client: Client,
    settings: Settings,
    django_assert_num_queries: DjangoAssertNumQueries,
    key: str,
    saves: bool,  # noqa: FBT001 (a parameter)
) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = saves
    headers = {"Cookie": f'sessionid="{key}"'}
    with django_assert_num_queries(0):
        assert [client.get(path, headers=headers).status_code for path in PATHS] == [401, 401]
        assert client.get("/maybe", headers=headers).json() is None


def test_a_renamed_user_stays_logged_in(client: Client, ada: "User") -> None:
    client.force_login(ada)
    ada.username = "countess"
    ada.save()
    assert client.get("/who").json() == "countess"


def test_a_session_under_a_fallback_secret_goes_on_under_the_new_one(
    client: Client, ada: "User", settings: Settings
) -> None:
    client.force_login(ada)
    before = client.cookies["sessionid"]
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "n" * 50
    answer = client.get("/who")
    assert answer.json() == "ada"
    assert client.cookies["sessionid"] != before
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get("/who").json() == "ada"


def test_every_engine_logs_in_both_ways(client: Client, ada: "User", engine: str) -> None:
    client.force_login(ada)
    answer = client.get("/who")
    assert answer.json() == "ada"
    assert "set-cookie" not in answer.headers
    assert client.post("/who").json() == "ada"
    if engine == "signed_cookies":
        value = client.cookies["sessionid"]
        for spoiled in (value[:-1], value + "x", value.replace(":", ".", 1), value[1:]):
            set_cookie(spoiled)(client, ada)
            assert client.get("/who").status_code == 401
    else:
        client.logout()
        assert client.get("/who").status_code == 401


def test_a_signed_cookie_expires(client: Client, ada: "User", settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    client.force_login(ada)
    data = signing.loads(
        client.cookies["sessionid"],
        serializer=django_settings_serializer(),
        salt="django.contrib.sessions.backends.signed_cookies",
    )
    assert data[SESSION_KEY] == str(ada.pk)
    settings.SESSION_COOKIE_AGE = -1
    assert client.get("/who").status_code == 401


def django_settings_serializer() -> Any:
    from django.utils.module_loading import import_string  # noqa: PLC0415

    return import_string(django_settings.SESSION_SERIALIZER)


def test_the_cookie_may_have_any_name(client: Client, ada: "User", settings: Settings) -> None:
    settings.SESSION_COOKIE_NAME = "whoami"
    client.force_login(ada)
    assert client.get("/who").json() == "ada"
    document = client.get("/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["SessionAuth"]
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "cookie", "whoami")
    assert document["paths"]["/who"]["get"]["security"] == [{"JWTAuth": []}, {"SessionAuth": []}]


def test_a_session_is_saved_at_every_request_if_so_wished(client: Client, ada: "User", settings: Settings) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_SAMESITE = "Strict"
    settings.SESSION_COOKIE_DOMAIN = "testserver"
    settings.SESSION_COOKIE_PATH = "/async-who"
    client.force_login(ada)
    cookie = cookies_of(client.get("/async-who"))["sessionid"]
    for part in ("Secure", "HttpOnly", "SameSite=Strict", "Domain=testserver", "Path=/async-who", "Max-Age="):
        assert part in cookie


@pytest.fixture
def browser(client: Client, ada: "User") -> Iterator[Client]:
    """Give a client that is logged in and sends no token by itself."""
    with Client(client.app, enforce_csrf_checks=True) as browser:
        browser.force_login(ada)
        yield browser


BODIES: dict[str, dict[str, Any]] = {
    "empty": {},
    "json": {"json": {"a": 1}},
    "text": {"content": "text", "headers": {"content-type": "text/plain"}},
    "form": {"data": {"a": "1"}},
    "multipart": {"files": {"a": b"1"}},
    "odd": {"content": b"\xff", "headers": {"content-type": "application/x-unknown"}},
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("method", UNSAFE)
def test_an_unsafe_method_needs_the_token_whatever_the_body_is(browser: Client, method: str, body: str) -> None:
    options = BODIES[body]
    headers = options.get("headers", {})
    rest = {name: value for name, value in options.items() if name != "headers"}
    for path in PATHS:
        answer = browser.request(method, path, headers=headers, **rest)
        assert answer.status_code == 403
        assert answer.json() == {"detail": "CSRF verification failed"}
        browser.cookies["csrftoken"] = TOKEN
        assert browser.request(method, path, headers=headers, **rest).status_code == 403
        with_token = {**headers, "X-CSRFToken": TOKEN}
        assert browser.request(method, path, headers=with_token, **rest).json() == "ada"
        browser.cookies.delete("csrftoken")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_safe_method_needs_none(browser: Client, api: FastAPI, method: str) -> None:
    @api.api_route("/safe", methods=["GET", "HEAD", "OPTIONS"])
    async def safe(user: CurrentUser) -> str:
        return user.get_username()

    assert browser.request(method, "/safe").status_code == 200


@pytest.mark.parametrize("kind", ["urlencoded", "multipart"])
def test_the_token_may_be_in_a_form(browser: Client, kind: str) -> None:
    browser.cookies["csrftoken"] = TOKEN
    form = {"csrfmiddlewaretoken": TOKEN}
    options: dict[str, Any] = {"data": form} if kind == "urlencoded" else {"data": form, "files": {"a": b"1"}}
    for path in PATHS:
        assert browser.post(path, **options).json() == "ada"
        assert browser.put(path, **options).status_code == 403  # Django looks into forms of POST only


@pytest.mark.parametrize(
    ("base", "headers", "status"),
    [
        ("http://testserver", {"Origin": "http://testserver"}, 200),
        ("http://testserver", {"Origin": "https://testserver"}, 403),
        ("http://testserver", {"Origin": "http://evil.test"}, 403),
        ("http://testserver", {"Origin": "http://testserver.evil.test"}, 403),
        ("http://testserver", {"Origin": "null"}, 403),
        ("http://testserver", {"Origin": ""}, 403),
        ("http://testserver", {"Origin": "https://friend.test"}, 200),
        ("http://testserver", {"Origin": "https://a.wild.test"}, 200),
        ("http://testserver", {"Origin": "http://a.wild.test"}, 403),
        ("https://testserver", {}, 403),
        ("https://testserver", {"Referer": "https://testserver/page"}, 200),
        ("https://testserver", {"Referer": "http://testserver/page"}, 403),
        ("https://testserver", {"Referer": "https://evil.test/"}, 403),
        ("https://testserver", {"Referer": "https://friend.test/"}, 200),
        ("https://testserver", {"Referer": "nonsense"}, 403),
        ("https://testserver", {"Origin": "https://testserver", "Referer": "https://evil.test/"}, 200),
    ],
)
def test_origin_and_referer_are_checked_as_django_does(
    browser: Client, settings: Settings, base: str, headers: dict[str, str], status: int
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://friend.test", "https://*.wild.test"]
    browser.base_url = httpx.URL(base)
    browser.cookies["csrftoken"] = TOKEN
    assert browser.post("/who", headers={**headers, "X-CSRFToken": TOKEN}).status_code == status


@pytest.mark.parametrize("token", ["", "x", "t" * 31, "T" * 32, "t" * 33, "t" * 64, "t" * 8000])
def test_a_token_that_is_none_does_not_pass(browser: Client, token: str) -> None:
    browser.cookies["csrftoken"] = TOKEN
    assert browser.post("/who", headers={b"X-CSRFToken": token.encode()}).status_code == 403


def test_the_secret_may_be_in_the_session(browser: Client, settings: Settings) -> None:
    settings.CSRF_USE_SESSIONS = True
    session = browser.session
    session[CSRF_SESSION_KEY] = TOKEN
    session.save()
    assert browser.post("/who", headers={"X-CSRFToken": "o" * CSRF_SECRET_LENGTH}).status_code == 403
    assert browser.post("/who", headers={"X-CSRFToken": TOKEN}).json() == "ada"


def test_cookie_and_header_may_have_other_names(browser: Client, settings: Settings) -> None:
    settings.CSRF_COOKIE_NAME = "xsrf"
    settings.CSRF_HEADER_NAME = "HTTP_X_XSRF_TOKEN"
    browser.cookies["xsrf"] = TOKEN
    assert browser.post("/who", headers={"X-XSRF-Token": TOKEN}).json() == "ada"
    assert browser.post("/who", headers={"X-CSRFToken": TOKEN}).status_code == 403


def test_the_check_is_there_without_the_middleware(browser: Client, settings: Settings) -> None:
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "Csrf" not in one]
    assert browser.post("/who").status_code == 403
    browser.cookies["csrftoken"] = TOKEN
    assert browser.post("/who", headers={"X-CSRFToken": TOKEN}).json() == "ada"


def test_a_bad_body_without_a_credential_is_401(client: Client, api: FastAPI, ada: "User") -> None:
    @api.post("/numbers")
    async def numbers(numbers: list[int], user: CurrentUser) -> int:
        return len(numbers) + user.pk

    for body in (b'["a"]', b"{}", b""):
        assert client.post("/numbers", content=body).status_code == 401
    client.force_login(ada)
    assert client.post("/numbers", content=b'["a"]').status_code == 422


def test_a_cache_that_is_away_logs_nobody_out(client: Client, ada: "User", settings: Settings) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    client.force_login(ada)
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    }
    with Client(client.app, raise_server_exceptions=False, cookies=client.cookies) as browser:
        for method, path in (("GET", "/who"), ("POST", "/async-who"), ("GET", "/maybe")):
            answer = browser.request(method, path)
            assert answer.status_code == 503
            assert "set-cookie" not in answer.headers


def test_a_login_through_django_is_one_here_and_the_other_way(client: Client, ada: "User") -> None:
    django_client = DjangoClient()
    django_client.force_login(ada)
    client.cookies["sessionid"] = django_client.cookies["sessionid"].value
    assert client.get("/who").json() == "ada"


def test_json_of_django_and_of_us_is_no_matter(client: Client, make_user: MakeUser) -> None:
    client.force_login(make_user("Ådå"))
    assert json.loads(client.get("/who").content) == "Ådå"
