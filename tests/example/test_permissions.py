import pytest
from django.contrib.auth.models import Permission
from pytest_django import DjangoAssertNumQueries

from django_fastapi.testing import Client
from tests.example.conftest import Get

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/permissions", "/async/permissions"])
def test_all_permissions_are_listed_by_key(get: Get, path: str) -> None:
    answer = get(path)
    assert answer.status_code == 200
    assert answer.json() == {"items": list(Permission.objects.order_by("pk").values("pk", "name"))}
    assert len(answer.json()["items"]) > 20


@pytest.mark.parametrize("path", ["/permissions", "/async/permissions"])
def test_they_take_one_query(django_assert_num_queries: DjangoAssertNumQueries, path: str) -> None:
    with Client() as client, django_assert_num_queries(1) as captured:
        client.get(path)
    assert "JOIN" not in captured[0]["sql"]
    assert "codename" not in captured[0]["sql"]
