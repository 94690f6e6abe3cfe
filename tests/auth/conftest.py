"""What tests of auth share: users, a client whose site has Django's middleware, and routes that say whom they see."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import pytest
from django.core.cache import cache
from fastapi import Depends, FastAPI
from pytest_django import Settings

from django_fastapi.auth import CurrentUser, OptionalUser, Requirement, current_user, optional_user
from django_fastapi.auth.prepared import has_stock_manager
from django_fastapi.testing import Client

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PASSWORD = "correct horse battery staple"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]

MakeUser = Callable[..., "User"]


@pytest.fixture(autouse=True)
def no_counts() -> None:
    """Let each test begin with no tries at a login counted."""
    cache.clear()


@pytest.fixture
def make_user(db: None) -> MakeUser:
    """Give a function that creates users, with permissions by name."""
    del db

    def make(username: str, *permissions: str, **attributes: Any) -> "User":
        from django.contrib.auth.models import Permission, User  # noqa: PLC0415 (Django is not set up before)

        user = User.objects.create_user(username, f"{username}@example.test", PASSWORD, **attributes)
        for name in permissions:
            app_label, _, codename = name.partition(".")
            user.user_permissions.add(Permission.objects.get(codename=codename, content_type__app_label=app_label))
        return user

    return make


@pytest.fixture
def ada(make_user: MakeUser) -> "User":
    return make_user("ada")


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the default manager of the user model hide those who are called so."""
    from django.contrib.auth.models import User, UserManager  # noqa: PLC0415 (Django is not set up before)

    class Visible(UserManager[User]):
        def get_queryset(self) -> Any:
            return super().get_queryset().exclude(last_name="hidden")

    manager = Visible()
    manager.model = User
    monkeypatch.setitem(vars(User._meta), "default_manager", manager)
    has_stock_manager.cache_clear()
    yield
    has_stock_manager.cache_clear()


@pytest.fixture
def client(site_client: Client, settings: Settings) -> Client:
    """Give a client of the site with Django's middleware, which sends no CSRF token by itself."""
    settings.MIDDLEWARE = MIDDLEWARE
    return site_client


@pytest.fixture
def who(api: FastAPI) -> FastAPI:
    """Give the default API with routes that say whom they see, sync and async."""

    def who(user: CurrentUser) -> str:
        return user.get_username()

    async def async_who(user: Annotated[Any, Depends(current_user)]) -> str:
        return str(user.get_username())

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        api.add_api_route("/who", who, methods=[method])
        api.add_api_route("/async-who", async_who, methods=[method])

    @api.get("/maybe")
    def maybe(user: OptionalUser) -> str | None:
        return user.get_username() if user else None

    @api.get("/async-maybe")
    async def async_maybe(user: Annotated[Any, Depends(optional_user)]) -> str | None:
        return user.get_username() if user else None

    return api


@dataclass
class Gates:
    """Routes that require something of a user, each as `def` and as `async def`."""

    api: FastAPI
    client: Client

    def ask(self, requirement: Requirement, user: "User | None" = None, method: str = "GET", key: str = "") -> int:
        """Ask a new route that requires this, and return the status.

        Args:
            requirement: What it requires.
            user: Who asks; None is nobody.
            method: Of the request.
            key: A value for the path's parameter `key`.
        """
        path = f"/gate-{len(self.api.routes)}"

        @self.api.api_route(f"{path}/sync/{{key}}", methods=[method])
        def endpoint(found: Annotated[Any, Depends(requirement)]) -> str:
            return str(found.get_username())

        @self.api.api_route(f"{path}/async/{{key}}", methods=[method], dependencies=[Depends(requirement)])
        async def async_endpoint(found: CurrentUser) -> str:
            return found.get_username()

        self.client.logout()
        if user is not None:
            self.client.force_login(user)
        answers = [self.client.request(method, f"{path}/{kind}/{key or '-'}") for kind in ("sync", "async")]
        assert {answer.status_code for answer in answers} == {answers[0].status_code}
        if answers[0].is_success:
            assert user is not None
            assert [answer.json() for answer in answers] == [user.get_username()] * 2
        return answers[0].status_code


@pytest.fixture
def gates(api: FastAPI, client: Client) -> Gates:
    return Gates(api, client)


def operation(client: Client, path: str, method: str = "get") -> dict[str, Any]:
    """Return what the OpenAPI document says of a route."""
    document: dict[str, Any] = client.get("/openapi.json").json()
    found: dict[str, Any] = document["paths"][path][method]
    return found


def cookies_of(response: httpx.Response) -> dict[str, str]:
    """Return the cookies that an answer sets, each as it stands in its header."""
    return {header.partition("=")[0]: header for header in response.headers.get_list("set-cookie")}
