"""Contestant: Django REST framework under WSGI, whose threads keep their connections. The URLconf too."""

from typing import Any

from django.core.wsgi import get_wsgi_application

from bench.work import register

application = get_wsgi_application()
urlpatterns: list[Any] = []
register("rest_framework", urlpatterns)
