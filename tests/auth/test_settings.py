from datetime import timedelta

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from django_fastapi.auth.schemes.loading import load_schemes
from django_fastapi.auth.schemes.session import SessionAuth
from django_fastapi.auth.settings import get_auth_settings
from django_fastapi.exceptions import ConfigurationError


def test_the_defaults_are_those_of_the_design() -> None:
    found = get_auth_settings()
    assert not found.required
    assert found.jwt.algorithm == "HS256"
    assert found.jwt.audience == "django_fastapi"
    assert found.jwt.access_lifetime == timedelta(minutes=5)
    assert found.jwt.refresh_lifetime == timedelta(days=14)
    assert found.jwt.session_lifetime == timedelta(days=90)
    assert found.jwt.leeway == timedelta()
    assert (found.jwt.user_id_field, found.jwt.user_id_claim) == ("pk", "sub")


def test_what_the_project_sets_is_read_and_the_rest_keeps_its_default(settings: Settings) -> None:
    settings.FASTAPI_AUTH = {"REQUIRED": True, "JWT": {"ISSUER": "https://shop.test"}}
    found = get_auth_settings()
    assert found.required
    assert found.jwt.issuer == "https://shop.test"
    assert found.jwt.algorithm == "HS256"


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"REQUIRED": "yes"}, "FASTAPI_AUTH['REQUIRED'] must be True or False."),
        ({"REQUIRES": True}, "There is no FASTAPI_AUTH['REQUIRES']; did you mean 'REQUIRED'?"),
        ({3: True}, "There is no FASTAPI_AUTH[3]."),
        ({"SCHEMES": []}, "FASTAPI_AUTH['SCHEMES'] must be a list or tuple, not empty"),
        ({"SCHEMES": "django_fastapi.auth.SessionAuth"}, "FASTAPI_AUTH['SCHEMES'] must be a list or tuple"),
        ({"SCHEMES": ["django_fastapi.auth.SesionAuth"]}, "'django_fastapi.auth.SesionAuth' cannot be imported"),
        ({"SCHEMES": ["django_fastapi.auth.BadCredential"]}, "'django_fastapi.auth.BadCredential' is no scheme"),
        ({"SCHEMES": [3]}, "3 is no scheme"),
        ({"LOGIN_RATE_USERNAME": "often"}, 'must be a rate such as "5/min"'),
        ({"JWT": None}, "FASTAPI_AUTH['JWT'] must be a dictionary"),
        ({"JWT": {"AUDIENCE": ""}}, "FASTAPI_AUTH['JWT']['AUDIENCE'] must be a string."),
        ({"JWT": {"AUDIENCES": "x"}}, "There is no FASTAPI_AUTH['JWT']['AUDIENCES']; did you mean 'AUDIENCE'?"),
        ({"JWT": {"ACCESS_LIFETIME": 300}}, "FASTAPI_AUTH['JWT']['ACCESS_LIFETIME'] must be a timedelta"),
        ({"JWT": {"LEEWAY": timedelta(minutes=2)}}, "must be a timedelta of at most 60 seconds"),
        ({"JWT": {"LEEWAY": 61}}, "must be a timedelta of at most 60 seconds, or a number of seconds"),
        ({"JWT": {"REFRESH_GRACE": -1}}, "must be a timedelta of at most 60 seconds"),
        ({"JWT": {"ALGORITHM": "none"}}, "must be one of HS256, RS256, ES256, EdDSA"),
        ({"JWT": {"ALGORITHM": ["HS256", "RS256"]}}, "must be one of HS256, RS256, ES256, EdDSA"),
        ({"JWT": {"KEYS": {}}}, "must be a dictionary from key ids to keys"),
        ({"JWT": {"KEYS": {"a": None}}}, "must be a dictionary from key ids to keys"),
        ({"JWT": {"ISSUER": None}}, "must be a string"),
        ({"JWT": {"USER_ID_CLAIM": "jti"}}, "must be the name of a claim, and none of aud, "),
        ({"JWT": {"ACCEPT": ["knox"]}}, "must be a list or tuple of some of simplejwt, ninja-jwt, drf-token"),
    ],
)
@pytest.mark.usefixtures("registry")  # routes that were read with other settings do not count
def test_a_wrong_value_or_key_is_a_check_that_names_it_and_the_cure(
    settings: Settings, value: object, complaint: str
) -> None:
    settings.FASTAPI_AUTH = value
    messages = [message.msg for message in run_checks(databases=[]) if message.id == "django_fastapi.E020"]
    assert len(messages) == 1
    assert complaint in messages[0]
    with pytest.raises(ConfigurationError):
        load_schemes()


@pytest.mark.usefixtures("registry")
def test_a_setting_that_is_no_dictionary_is_found_once(settings: Settings) -> None:
    settings.FASTAPI_AUTH = ["REQUIRED"]
    assert [message.id for message in run_checks(databases=[]) if "FASTAPI_AUTH" in message.msg] == [
        "django_fastapi.E001"
    ]


def test_a_key_is_never_in_a_complaint(settings: Settings) -> None:
    settings.FASTAPI_AUTH = {"JWT": {"KEYS": "the-secret-key"}}
    assert "the-secret-key" not in str(run_checks(databases=[]))


def test_schemes_come_from_dotted_paths_classes_and_instances(settings: Settings) -> None:
    settings.FASTAPI_AUTH = {"SCHEMES": ["django_fastapi.auth.SessionAuth", SessionAuth, SessionAuth()]}
    assert load_schemes() == (SessionAuth(), SessionAuth(), SessionAuth())
