"""The app, and its checks when the site starts."""

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning, register

from decart import DecartSDKError


class VideosConfig(AppConfig):
    name = "videos"

    def ready(self) -> None:
        register(service_can_be_used)


def service_can_be_used(**kwargs: object) -> list[CheckMessage]:
    """Report an unusable key or base URL at the start, and not with the first job. Nothing is sent."""
    from . import service

    try:
        service.client()
    except DecartSDKError as error:
        return [Warning(error.message, hint="See DECART_API_KEY and DECART_BASE_URL.", id="videos.W001")]
    return []
