from django.urls import path

from tests.project.probe import views

urlpatterns = [path("other/", views.other)]
