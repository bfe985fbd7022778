"""The addresses of the app."""

from django.urls import path

from . import views

app_name = "videos"
urlpatterns = [
    path("", views.index, name="index"),
    path("submit/", views.submit, name="submit"),
    path("jobs/<int:pk>/", views.job_page, name="job"),
    path("jobs/<int:pk>/status/", views.job_status, name="status"),
    path("jobs/<int:pk>/video.mp4", views.job_video, name="video"),
]
