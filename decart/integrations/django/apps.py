"""The app's name and label."""

from django.apps import AppConfig


class DecartJobsConfig(AppConfig):
    """Named for what its tables hold; a site may have an app called ``decart`` of its own."""

    name = "decart.integrations.django"
    label = "decart_jobs"
    verbose_name = "Decart"
    default_auto_field = "django.db.models.BigAutoField"
