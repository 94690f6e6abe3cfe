"""The ASGI application of the project that `DJANGO_SETTINGS_MODULE` names."""

from .application import get_asgi_application

application = get_asgi_application()
