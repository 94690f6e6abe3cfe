import pytest

from django_fastapi.secret_names import names_secret


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "new_password1",
        "userPassword",
        "passwd",
        "PASS",
        "access_token",
        "accessToken",
        "csrfmiddlewaretoken",
        "X-Api-Key",
        "apiKey",
        "client_secret",
        "Authorization",
        "proxy-authorization",
        "basic_auth",
        "Cookie",
        "set-cookie",
        "sessionid",
        "session_id",
        "private_key",
        "key",
        "signature",
        "otp",
        "pin",
        "credentials",
        b"authorization",
    ],
)
def test_names_of_secrets(name: object) -> None:
    assert names_secret(name)


@pytest.mark.parametrize(
    "name", ["author", "authors", "title", "keyboard", "monkey", "capital", "compass", "spin", "opinion", 3, None]
)
def test_names_of_what_is_no_secret(name: object) -> None:
    assert not names_secret(name)
