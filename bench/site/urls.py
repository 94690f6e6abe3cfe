"""The paths of the Django views."""

from django.urls import path

from . import views

urlpatterns = [
    path("django/ping", views.ping),
    path("django/permissions", views.permissions),
]
