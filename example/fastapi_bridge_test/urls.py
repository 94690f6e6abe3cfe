"""URLs of the example project: the admin, the home page, and names for the routes of the API."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView

urlpatterns = [
    path("", TemplateView.as_view(template_name="demo/home.html"), name="home"),
    path("admin/", admin.site.urls),
    path("", include("django_fastapi.urls")),
]
