"""Contestant: django-ninja under WSGI, whose threads keep their connections. The URLconf too."""

from django.core.wsgi import get_wsgi_application
from django.urls import path
from ninja import NinjaAPI

from bench.work import register

application = get_wsgi_application()
_api = NinjaAPI(openapi_url=None)
register("ninja", _api)

urlpatterns = [path("", _api.urls)]
