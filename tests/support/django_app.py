"""The site of `examples/django_app`, set up inside this process and on a port of its own, and emulators behind it.

Django can be set up once in a process, so whoever needs it here imports this first.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import django
import numpy as np
import pytest
from django.conf import settings

from decart.emulator import Emulator, VirtualClock
from decart.emulator.app import App
from decart.emulator.forms import Form
from decart.emulator.render import RenderJob
from decart.emulator.service import Job
from support.studio import Studio

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "django_app"
sys.path.insert(0, str(EXAMPLE))

with pytest.MonkeyPatch.context() as patch:
    patch.setenv("DJANGO_SECRET_KEY", "a key for the tests")
    from mysite import settings as shipped  # found there

CSP = "default-src 'self'; script-src 'self' 'unsafe-eval'"  # Playwright evaluates what it waits for


def strict(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Send every page with a policy that allows no script, style or address but the site's own."""

    def middleware(request: Any) -> Any:
        response = get_response(request)
        response["Content-Security-Policy"] = CSP
        return response

    return middleware


HERE = {
    "DECART_API_KEY": "dct_site",
    "ALLOWED_HOSTS": ["127.0.0.1"],
    "SECURE_SSL_REDIRECT": False,  # there is no TLS here
    "SESSION_COOKIE_SECURE": False,
    "CSRF_COOKIE_SECURE": False,
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],  # fast, and these passwords are no secrets
    "LOGGING_CONFIG": None,  # the loggers of this process are not the site's
    "MIDDLEWARE": ["support.django_app.strict", *shipped.MIDDLEWARE],
}

settings.configure(**{name: value for name, value in vars(shipped).items() if name.isupper()} | HERE)
django.setup()

from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: E402  (only now can these be imported)
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.test import override_settings  # noqa: E402
from videos import service  # noqa: E402


class RecordingEmulator(Emulator):
    """An emulator whose time stands still, and which records what is submitted."""

    def __init__(self, renderer: Callable[[RenderJob, Path], None] | None = None, **more: Any) -> None:
        self.studio = Studio()
        self.clock = VirtualClock()
        self.forms: list[Form] = []
        super().__init__(clock=self.clock, renderer=renderer or self.studio, background=False, **more)

    def submit(self, form: Form) -> Job:
        self.forms.append(form)
        return super().submit(form)


@contextmanager
def listening(application: Callable[..., Any]) -> Iterator[str]:
    """Serve a WSGI application; yield its address.

    The server is Django's, as that of ``manage.py runserver``.
    """
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(application)
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def talking_to(service_at: str | Emulator) -> Iterator[None]:
    """Point the site at a service with this address, or at an emulator."""
    if isinstance(service_at, Emulator):
        with service_at, listening(App(service_at)) as url, talking_to(url):
            yield
        return
    with override_settings(DECART_BASE_URL=service_at):
        try:
            yield
        finally:
            service.client().close()
            service.client.cache_clear()


class Site:
    """The site as a WSGI application, with its scripts and styles, which records the requested ranges of videos.

    Attributes:
        parts: For each response with a video, the ``Range`` of the request, the status and the ``Content-Range``.
        url: Its address.
    """

    def __init__(self) -> None:
        self.parts: list[tuple[str | None, str, str | None]] = []
        self.url = ""
        self._site = StaticFilesHandler(get_wsgi_application())

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        def noting(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            if environ["PATH_INFO"].endswith(".mp4"):
                self.parts.append((environ.get("HTTP_RANGE"), status, dict(headers).get("Content-Range")))
            return start_response(status, headers, *more)

        return self._site(environ, noting)


@contextmanager
def on_a_port() -> Iterator[Site]:
    """Serve the site over HTTP."""
    site = Site()
    with listening(site) as site.url:
        yield site


def noise(order: RenderJob, target: Path) -> None:
    """Render five seconds that are so large that a browser does not load all of it ahead."""
    chance = np.random.default_rng(0)
    with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as video:
        stream = video.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "30", "g": "25"})
        stream.width, stream.height, stream.pix_fmt = 640, 352, "yuv420p"
        pictures = [chance.integers(0, 255, (352, 640, 3), dtype=np.uint8) for _ in range(5)]
        for number in range(125):
            video.mux(stream.encode(av.VideoFrame.from_ndarray(pictures[number % 5], format="rgb24")))
        video.mux(stream.encode(None))


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment for a process of the site, without settings of the site."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("DECART_", "DJANGO_"))} | more
