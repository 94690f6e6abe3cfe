"""The Django app: owner of the project's API registry."""

from types import ModuleType

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.backends.signals import connection_created

from .checks import check_deployment, check_routes, check_settings
from .connections import watch_cursors
from .factory import make_default_api
from .registry import APIRegistry
from .threads import Threads


class DjangoFastAPIConfig(AppConfig):
    """Configuration of the app "django_fastapi"."""

    name: str = "django_fastapi"

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        super().__init__(app_name, app_module)
        self.registry: APIRegistry = APIRegistry(make_default_api)
        self.threads: Threads = Threads()

    def ready(self) -> None:
        """Register the system checks. The API modules wait until something needs the routes."""
        connection_created.connect(watch_cursors)
        register(check_settings)
        register(check_routes)
        register(check_deployment, Tags.security, deploy=True)
