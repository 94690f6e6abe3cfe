import pytest
from django.test import modify_settings
from fastapi import FastAPI

import django_fastapi
from django_fastapi.exceptions import APIAlreadyRegistered, ConfigurationError, DefaultAPIAlreadyRegistered
from django_fastapi.registry import APIRegistry, get_default_api, get_registry, register_api, set_default_api


def test_the_default_is_made_at_first_use_and_stays(registry: APIRegistry) -> None:
    api = get_default_api()
    assert registry.is_default_made
    assert django_fastapi.api is api is get_default_api()


def test_a_project_can_set_its_own_default(registry: APIRegistry) -> None:
    mine = FastAPI()
    set_default_api(mine)
    assert get_default_api() is mine
    assert not registry.is_default_made


def test_a_second_default_is_refused(registry: APIRegistry) -> None:  # noqa: ARG001
    set_default_api(FastAPI())
    with pytest.raises(DefaultAPIAlreadyRegistered, match="FASTAPI_API"):
        set_default_api(FastAPI())


def test_a_default_after_the_first_use_is_refused(registry: APIRegistry) -> None:  # noqa: ARG001
    get_default_api()
    with pytest.raises(DefaultAPIAlreadyRegistered):
        set_default_api(FastAPI())


def test_all_gives_the_longest_prefix_first_and_the_default_last(registry: APIRegistry) -> None:
    register_api(FastAPI(), name="v1", prefix="/v1")
    register_api(FastAPI(), name="beta", prefix="/v1/beta")
    assert [one.name for one in registry.all()] == ["beta", "v1", "api"]


@pytest.mark.parametrize("prefix", ["", "/", "v1", "/v1/", "/v 1", "/{v}", "//v1", "/v1?x"])
def test_a_prefix_that_cannot_be_used_is_refused(registry: APIRegistry, prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="prefix"):
        registry.register(FastAPI(), "v1", prefix)


@pytest.mark.parametrize("name", ["", "v 1", "1", "a:b"])
def test_a_name_that_cannot_be_a_namespace_is_refused(registry: APIRegistry, name: str) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        registry.register(FastAPI(), name, "/v1")


@pytest.mark.parametrize(("name", "prefix"), [("v1", "/other"), ("other", "/v1"), ("api", "/other")])
def test_a_name_or_prefix_that_is_taken_is_refused(registry: APIRegistry, name: str, prefix: str) -> None:
    registry.register(FastAPI(), "v1", "/v1")
    with pytest.raises(APIAlreadyRegistered):
        registry.register(FastAPI(), name, prefix)


def test_none_is_registered_that_a_running_site_would_not_serve(registry: APIRegistry) -> None:
    served = registry.all()
    with registry.serving(served), pytest.raises(ConfigurationError, match=r"'v2'.*Register it in an API module"):
        register_api(FastAPI(), name="v2", prefix="/v2")
    assert registry.all() == served
    register_api(FastAPI(), name="v2", prefix="/v2")
    with pytest.raises(ConfigurationError, match="'v2'"), registry.serving(served):
        raise AssertionError("an API was registered after the site had been built")
    with registry.serving(registry.all()):
        pass


def test_only_a_fastapi_application_can_be_registered(registry: APIRegistry) -> None:
    with pytest.raises(ConfigurationError, match="not APIRouter"):
        registry.register(django_fastapi.APIRouter(), "v1", "/v1")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="not str"):
        registry.set_default("project.api")  # type: ignore[arg-type]


def test_an_api_module_that_asks_for_itself_is_told_so() -> None:
    registry = APIRegistry(lambda: registry.get_default())  # noqa: PLW0108 (the name is bound only later)
    with pytest.raises(ConfigurationError, match="its own FastAPI instance"):
        registry.get_default()


def test_without_the_app_the_cure_is_named() -> None:
    with (
        modify_settings(INSTALLED_APPS={"remove": ["django_fastapi"]}),
        pytest.raises(ConfigurationError, match="INSTALLED_APPS"),
    ):
        get_registry()
