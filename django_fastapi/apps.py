"""The Django app: owner of the project's API registry."""

from types import ModuleType

from django.apps import AppConfig
from django.core.checks import Tags, register

from .checks import check_deployment, check_routes, check_settings
from .factory import make_default_api
from .registry import APIRegistry


class DjangoFastAPIConfig(AppConfig):
    """Configuration of the app "django_fastapi"."""

    name: str = "django_fastapi"

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        super().__init__(app_name, app_module)
        self.registry: APIRegistry = APIRegistry(make_default_api)

    def ready(self) -> None:
        """Register the system checks. The API modules wait until something needs the routes."""
        register(check_settings)
        register(check_routes)
        register(check_deployment, Tags.security, deploy=True)
