"""The way into the emulator without a socket: a transport that hands each request to the WSGI application."""

from __future__ import annotations

import io
import threading
from urllib.parse import unquote, urlsplit

from werkzeug.test import EnvironBuilder, run_wsgi_app

from ..transports.base import HttpRequest, HttpResponse, Timeout
from .app import App
from .clock import VirtualClock
from .service import Emulator


class EmulatorTransport:
    """A transport into an emulator of its own, in this process and on a virtual clock.

    Args:
        emulator: The queue; a new one, whose jobs take 1 s in the queue and 3 s of work, unless given.
        clock: The clock; share it with the emulator that you give.

    Attributes:
        clock: The clock that the client's waits move.
        requests: Every request so far, as method and path.

    Example:
        >>> client = DecartClient(api_key="dct_test", transport=EmulatorTransport())
        >>> client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}).status
        'completed'
    """

    def __init__(self, emulator: Emulator | None = None, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.requests: list[tuple[str, str]] = []
        self._emulator = emulator or Emulator(clock=self.clock, background=False)
        self._owns_emulator = emulator is None
        self._app = App(self._emulator)

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Hand the request over; it takes no time on the clock."""
        parts = urlsplit(request.url)
        self.requests.append((request.method, parts.path))
        body = b"".join(request.body) if request.body is not None else b""
        builder = EnvironBuilder(
            path=unquote(parts.path),
            base_url=f"{parts.scheme}://{parts.netloc}",
            method=request.method,
            headers=list(request.headers.items()),
            input_stream=io.BytesIO(body),
            content_length=len(body),
        )
        chunks, status, headers = run_wsgi_app(self._app, builder.get_environ())
        return HttpResponse(int(status.split()[0]), dict(headers), chunks, getattr(chunks, "close", lambda: None))

    def now(self) -> float:
        """Return the time on the virtual clock."""
        return self.clock.now()

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        """Move the virtual clock."""
        self.clock.sleep(seconds, cancel)

    def close(self) -> None:
        """Close the emulator, if it was made here."""
        if self._owns_emulator:
            self._emulator.close()
