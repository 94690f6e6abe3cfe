"""The WSGI application of the project that `DJANGO_SETTINGS_MODULE` names."""

from .application import get_wsgi_application
from .types import WSGIApplication

application: WSGIApplication = get_wsgi_application()
