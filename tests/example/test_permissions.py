import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission
from pytest_django import DjangoAssertNumQueries
from test_api.api import list_permissions, list_permissions_async

from tests.example.conftest import Get

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/permissions", "/async/permissions"])
def test_all_permissions_are_listed_by_key(get: Get, path: str) -> None:
    answer = get(path)
    assert answer.status_code == 200
    assert answer.json() == {"items": list(Permission.objects.order_by("pk").values("pk", "name"))}
    assert len(answer.json()["items"]) > 20


def test_both_endpoints_take_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1) as captured:
        list_permissions()
    assert "JOIN" not in captured[0]["sql"]
    with django_assert_num_queries(1):
        async_to_sync(list_permissions_async)()
