"""Whatever a client sends to the example: no 500, and no answer that its OpenAPI document does not tell of.

`SCHEMATHESIS_EXAMPLES` says how many requests each operation gets; `make test` sends 300.
"""

import os
from collections.abc import Iterator
from typing import Final

import pytest
import schemathesis
from atlas.geonames import Atlas
from atlas.loading import load, rows_by_model
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models import Model, QuerySet
from django.middleware.csrf import get_token
from django.test import RequestFactory
from hypothesis import HealthCheck, Phase, settings
from pytest_django import DjangoDbBlocker
from schemathesis import Case

from django_fastapi import get_asgi_application

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(1800)]

EXAMPLES: Final = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "30"))
BACKEND: Final = "django.contrib.auth.backends.ModelBackend"


application = get_asgi_application()
document = schemathesis.openapi.from_asgi("/openapi.json", application)
# A body can be right and still name an object that does not exist, or repeat one that does: 422 and 409.
document.config.checks.positive_data_acceptance.expected_statuses.append("422")
accounts = document.include(path_regex="^/api/(auth/|me$)")
others = document.include(path_regex="^/(api/atlas|permissions|async/permissions)")


@pytest.fixture(scope="module")
def root(big_cities: Atlas, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, str]]:
    """Give the example its rows, committed, and the headers of a superuser's browser."""
    del django_db_setup
    with django_db_blocker.unblock():
        load(big_cities)
        yield log_in(User.objects.create_superuser("root"))
        User.objects.filter(username="root").delete()
        Session.objects.all().delete()
        for model in reversed(rows_by_model(big_cities)):
            QuerySet[Model](model).delete()


def log_in(user: User) -> dict[str, str]:
    session = SessionStore()
    session.update(
        {SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: BACKEND, HASH_SESSION_KEY: user.get_session_auth_hash()}
    )
    session.save()
    request = RequestFactory().get("/")
    token = get_token(request)
    cookies = f"sessionid={session.session_key}; csrftoken={request.META['CSRF_COOKIE']}"
    return {"Cookie": cookies, "X-CSRFToken": token}


examples = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@others.parametrize()
@examples
def test_every_answer_is_in_the_document(case: Case, root: dict[str, str]) -> None:
    case.call_and_validate(headers=root)


@accounts.parametrize()
@examples
def test_so_is_every_answer_about_users(case: Case) -> None:
    user = User.objects.filter(username="ada").first() or User.objects.create_superuser("ada")
    case.call_and_validate(headers=log_in(user))  # anew each time: some of these routes log out
