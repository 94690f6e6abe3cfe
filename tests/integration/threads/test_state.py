"""What a request sets, on its connection or of its language, is gone with it."""

import pytest

from .loads import GUNICORN_WSGI, MAIN, Load, Loaded, all_threads_idle, at_once, token
from .marks import loaded_on

pytestmark = pytest.mark.anyio

_ROLE = "pg_read_all_data"
POOLED = Load("pooled", {"CONN_MAX_AGE": "0", "POOL": "1"})
KEPT_WSGI = Load("kept-wsgi", {"CONN_MAX_AGE": "None"}, GUNICORN_WSGI.command, interface="wsgi")
_TONGUES = {
    "de": ["de", "Europe/Berlin", "Ja"],
    "fr": ["fr", "Europe/Paris", "Oui"],
    "en": ["en", "America/New_York", "Yes"],
}
_NONE = ["en", "UTC", "Yes"]


@loaded_on(MAIN, POOLED, KEPT_WSGI)
async def test_a_tenant_is_never_seen_by_another_request(loaded: Loaded) -> None:
    client = loaded.client()
    tenants = [f"tenant_{token()}" for _ in range(60)]
    kinds = ["def", "async", "plain-dependency"]
    expected, calls = [], []
    for number, tenant in enumerate(tenants):
        expected.append([tenant, _ROLE])
        calls.append(client.get(f"/load/tenant/{kinds[number % 3]}", params={"tenant": tenant}))
        expected.append(['"$user", public', "postgres"])
        calls.append(client.get(f"/load/no-tenant/{'def' if number % 2 else 'async'}"))
    for answer, expectation in zip(await at_once(calls), expected, strict=True):
        assert answer.status_code == 200, answer.text
        assert all(look == expectation for look in answer.json()), (answer.json(), expectation)
    await all_threads_idle(client)
    after = await at_once(client.get("/load/no-tenant/def") for _ in range(50))
    assert {tuple(answer.json()[0]) for answer in after} == {('"$user", public', "postgres")}


@loaded_on(MAIN, KEPT_WSGI)
async def test_a_language_and_a_time_zone_are_never_heard_by_another_request(loaded: Loaded) -> None:
    client = loaded.client()
    expected, calls = [], []
    for number in range(100):
        language, zone, _ = tongue = list(_TONGUES.values())[number % 3]
        kind = "def" if number // 3 % 2 else "async"
        if number % 5 == 4:
            expected.append(_NONE)
            calls.append(client.get(f"/load/language/none/{kind}"))
        elif number % 5 == 3:
            expected.append([language, "UTC", tongue[2]])
            calls.append(client.get("/django/load/language", headers={"Accept-Language": language}))
        else:
            expected.append(tongue)
            calls.append(client.get(f"/load/language/{kind}", params={"language": language, "zone": zone}))
    for answer, expectation in zip(await at_once(calls), expected, strict=True):
        assert answer.status_code == 200, answer.text
        assert all(look == expectation for look in answer.json()), (answer.json(), expectation)
