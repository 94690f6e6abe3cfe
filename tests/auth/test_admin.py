"""The admin's pages for API keys and families: to look at, and to end them."""

from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@pytest.fixture
def rows(ada: "User") -> tuple[Any, Any, str]:
    from django_fastapi.auth.api_keys import create_key  # noqa: PLC0415 (imports models)
    from django_fastapi.auth.models import RefreshFamily  # noqa: PLC0415 (the same)
    from django_fastapi.auth.revocation import grant  # noqa: PLC0415 (the same)

    row, key = create_key(ada, "deploy")
    grant(ada)
    return row, RefreshFamily.objects.get(), key


def test_the_pages_show_no_secrets_and_change_nothing(admin_client: Client, rows: tuple[Any, Any, str]) -> None:
    row, family, key = rows
    for one, model in ((row, "apikey"), (family, "refreshfamily")):
        base = f"/admin/django_fastapi_auth/{model}"
        for path in (f"{base}/", f"{base}/{one.pk}/change/"):
            page = admin_client.get(path)
            assert page.status_code == 200
            text = page.content.decode()
            assert "ada" in text
            assert not any(secret in text for secret in (row.digest, row.stamp, key.rpartition("_")[2], family.current))
        assert admin_client.get(f"{base}/add/").status_code == 403
    assert str(row) == f"deploy ({row.prefix})"
    assert str(family) == str(family.pk)


def test_the_actions_end_what_is_selected(admin_client: Client, rows: tuple[Any, Any, str]) -> None:
    row, family, _ = rows
    for one, model, action in ((row, "apikey", "revoke"), (family, "refreshfamily", "end")):
        form = {"action": action, "_selected_action": [str(one.pk)]}
        answer = admin_client.post(f"/admin/django_fastapi_auth/{model}/", form, follow=True)
        assert answer.status_code == 200
        one.refresh_from_db()
    assert row.revoked_at is not None
    assert family.ended_at is not None
