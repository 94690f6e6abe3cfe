"""A browser that is logged in to Django is so for the API, and the other way round, under real servers."""

from collections.abc import Iterator

import httpx
import pytest

from .marks import served_by
from .servers import SERVERS, Running

CREDENTIALS = {"username": "admin", "password": "admin"}
# One of each interface, and one with several processes.
SOME = [server for server in SERVERS if server.name in ("uvicorn", "runserver", "gunicorn-sync")]

pytestmark = served_by(SOME)


@pytest.fixture
def browser(server: Running) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def test_the_login_of_the_admin_is_one_of_the_api(browser: httpx.Client) -> None:
    assert browser.get("/api/me").status_code == 401
    browser.get("/admin/login/")
    form = {**CREDENTIALS, "next": "/admin/", "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
    assert browser.post("/admin/login/", data=form).status_code == 302
    assert browser.get("/api/me").json()["username"] == "admin"
    assert browser.post("/api/auth/logout").status_code == 403
    token = browser.get("/api/auth/csrf").json()["csrf_token"]
    assert browser.post("/api/auth/logout", headers={"X-CSRFToken": token}).status_code == 204
    assert browser.get("/api/me").status_code == 401
    assert browser.get("/admin/").status_code == 302


def test_the_login_of_the_api_is_one_of_the_admin(browser: httpx.Client) -> None:
    token = browser.get("/api/auth/csrf").json()["csrf_token"]
    answer = browser.post("/api/auth/login", json=CREDENTIALS, headers={"X-CSRFToken": token})
    assert answer.json()["username"] == "admin"
    assert "Log out" in browser.get("/admin/").text
    form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
    assert browser.post("/admin/logout/", data=form).status_code == 200
    assert browser.get("/api/me").status_code == 401


def test_a_token_is_good_on_every_server(browser: httpx.Client) -> None:
    tokens = browser.post("/api/auth/token", data=CREDENTIALS).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert browser.get("/api/me", headers=bearer).json()["username"] == "admin"
    assert browser.delete("/api/atlas/cities/1", headers=bearer).status_code == 404


def test_a_body_that_cannot_be_read_is_told_to_users_only(browser: httpx.Client) -> None:
    token = browser.post("/api/auth/token", data=CREDENTIALS).json()["access_token"]
    headers = {"Content-Type": "application/json"}
    for value, status in (("Bearer x", 401), (f"Bearer {token}", 422), (f"Bearer {token}x", 401)):
        answer = browser.post("/api/auth/password/change", content=b"{", headers={**headers, "Authorization": value})
        assert answer.status_code == status
    assert browser.post("/api/auth/password/change", content=b"{", headers=headers).status_code == 401
