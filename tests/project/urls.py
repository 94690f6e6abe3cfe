from django.conf.urls.i18n import i18n_patterns
from django.urls import include, path

from tests.project.probe import views

urlpatterns = [
    path("", include("fastapi_bridge_test.urls")),
    path("django/stream/", views.stream),
    path("django/endless/", views.endless),
    path("django/large-file/", views.large_file),
    path("django/upload/", views.upload),
    path("django/json/", views.take_json),
    path("django/crash/", views.crash),
    path("django/exit/", views.leave),
    path("django/missing/", views.missing),
    path("probe/shared", views.shared),
    *i18n_patterns(path("local/", views.local)),
]
