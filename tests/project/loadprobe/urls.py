from django.urls import path

from tests.project.urls import urlpatterns as site

from . import views

urlpatterns = [
    *site,
    path("django/load/def", views.read_view),
    path("django/load/async", views.aread_view),
    path("django/load/write", views.write_view),
    path("django/load/hold/<name>", views.hold_view),
    path("django/load/rows", views.rows_view),
    path("django/load/language", views.language_view),
]
