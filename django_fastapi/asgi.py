"""The ASGI application of the project that `DJANGO_SETTINGS_MODULE` names."""

from .application import SiteApplication, get_asgi_application

application: SiteApplication = get_asgi_application()
