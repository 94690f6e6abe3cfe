"""The Django app: owner of the project's API registry."""

from types import ModuleType

from django.apps import AppConfig, apps
from django.contrib.auth import get_user_model
from django.core.checks import Tags, register
from django.core.signals import setting_changed
from django.db.backends.signals import connection_created
from django.db.models import Model
from django.db.models.signals import class_prepared, post_delete, post_save

from . import convertors
from .auth.checks import check_auth_of_routes, check_auth_settings
from .auth.keys import forget_keys
from .auth.prepared import forget_statements
from .auth.settings import forget_auth_settings, has_users
from .auth.user_cache import drop_cached_user
from .checks import check_deployment, check_routes, check_settings
from .connections import watch
from .factory import make_default_api
from .orm.checks import check_secrets
from .orm.fields import FieldTypes
from .orm.statements import Statements
from .registry import APIRegistry
from .static_files import are_served, guard_runserver
from .threads import Threads


class DjangoFastAPIConfig(AppConfig):
    """Configuration of the app "django_fastapi"."""

    name: str = "django_fastapi"

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        super().__init__(app_name, app_module)
        self.registry: APIRegistry = APIRegistry(make_default_api)
        self.threads: Threads = Threads()
        self.field_types: FieldTypes = FieldTypes()
        self.statements: Statements = Statements()

    def ready(self) -> None:
        """Register the system checks. The API modules wait until something needs the routes."""
        convertors.install()
        connection_created.connect(watch)
        setting_changed.connect(self.statements.clear)
        class_prepared.connect(self.statements.clear)
        setting_changed.connect(forget_auth_settings)
        setting_changed.connect(forget_statements)
        setting_changed.connect(forget_keys)
        register(check_settings)
        register(check_auth_settings, Tags.security)
        register(check_auth_of_routes, Tags.security)
        register(check_routes)
        register(check_secrets, Tags.security)
        register(check_deployment, Tags.security, deploy=True)
        if has_users():
            self._know_users()
        if are_served():
            guard_runserver()

    def _know_users(self) -> None:
        from .auth.token_checks import check_token_deployment, check_tokens  # noqa: PLC0415 (it imports models)

        for model in apps.get_models():
            self._know_user(model)
        class_prepared.connect(self._know_user)
        register(check_tokens, Tags.security)
        register(check_token_deployment, Tags.security, deploy=True)

    def _know_user(self, sender: type[Model], **_: object) -> None:
        """Have the cache of users hear of a model whose rows are users: the project's, its proxies, its children."""
        if issubclass(sender, get_user_model()):
            # Of no other model: Django deletes rows of those that somebody listens to one by one.
            for signal in (post_save, post_delete):
                signal.connect(drop_cached_user, sender=sender)
