from django.urls import path
from notes import views

urlpatterns = [
    path("", views.page),
    path("healthz", views.health),
]
