"""The emulator for tests: in process, on a virtual clock, with tiny files, and with its own clients."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from .._async.client import AsyncDecartClient
from ..client import DecartClient
from ..errors import InvalidInputError, TransportError
from ..transports.base import HttpRequest, HttpResponse, Timeout
from ..transports.failures import failure, timed_out
from ..transports.threaded import ThreadedTransport
from .app import App, environ_of
from .clock import VirtualClock
from .faults.acting import ConnectionDropped
from .remembered import render_remembered
from .service import Emulator

KEY = "dct_test"
"""The default key of the clients."""

URL = "http://emulator"
"""The default base URL of the clients; nothing leaves the process."""


class EmulatorTransport:
    """A transport to an emulator in this process, on a virtual clock.

    Args:
        emulator: The emulator, with a ``VirtualClock``; by default, a new one, whose jobs are pending for 1 s and
            processed for 3 s.

    Attributes:
        clock: The clock of the emulator, which the client's waits advance.
        emulator: The emulator, with its ``requests`` and ``faults``.

    Raises:
        InvalidInputError: The emulator has another clock, which a client's waits would not advance.

    Example:
        >>> client = DecartClient(api_key="dct_test", transport=EmulatorTransport())
        >>> client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}).status
        'completed'
    """

    has_virtual_clock = True

    def __init__(self, emulator: Emulator | None = None) -> None:
        self.emulator = emulator or Emulator(clock=VirtualClock(), background=False)
        if not isinstance(self.emulator.clock, VirtualClock):
            raise InvalidInputError(
                "EmulatorTransport: the emulator's clock is not virtual, so the client's waits would not advance it;"
                " use VirtualEmulator, or Emulator(clock=VirtualClock(), background=False)."
            )
        self.clock = self.emulator.clock
        self._owns_emulator = emulator is None
        self._app = App(self.emulator)

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Send the request; it takes no time on the clock unless a fault does."""
        url = urlsplit(request.url)
        body = b"".join(request.body) if request.body is not None else b""
        headers = {"Host": url.netloc, **request.headers, "Content-Length": str(len(body))}
        target = f"{url.path}?{url.query}"
        environ = environ_of(request.method, target, headers.items(), io.BytesIO(body))
        try:
            response = self._app.respond(environ, self._sleeping(timeout))
        except ConnectionDropped as dropped:
            raise _lost(dropped) from None
        chunks, _, fields = response.get_wsgi_response(environ)
        return HttpResponse(response.status_code, dict(fields), _read(chunks), response.close)

    def _sleeping(self, timeout: Timeout) -> Callable[[float], None]:
        """Return a sleep for slow responses, which advances the clock and times out as the client would."""
        ends = self.clock.now() + (float("inf") if timeout.total is None else timeout.total)

        def sleep(seconds: float) -> None:
            limit = min(float("inf") if timeout.read is None else timeout.read, ends - self.clock.now())
            self.clock.advance(min(seconds, limit))
            if seconds >= limit:
                silence = failure(URL, timed_out(timeout), sent=True, silent=True)
                raise silence

        return sleep

    def now(self) -> float:
        """Return the time on the virtual clock."""
        return self.clock.now()

    def time(self) -> float:
        """Return the UNIX time on the virtual clock."""
        return self.clock.time()

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        """Advance the virtual clock."""
        self.clock.sleep(seconds, cancel)

    def close(self) -> None:
        """Close the emulator, if this transport created it."""
        if self._owns_emulator:
            self.emulator.close()


def _read(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a body; a dropped connection is a transport error."""
    try:
        yield from chunks
    except ConnectionDropped as dropped:
        raise _lost(dropped) from None


def _lost(dropped: ConnectionDropped) -> TransportError:
    """Return the error of a connection that was dropped after the request had been sent."""
    why = os.strerror(errno.ECONNRESET) if dropped.reset else "the response ended too early"
    return failure(URL, why, sent=True, silent=False)


class VirtualEmulator(Emulator):
    """An ``Emulator`` on a virtual clock, which its clients' waits advance, with tiny but real videos.

    Args:
        settings: The arguments of ``Emulator``.

    Attributes:
        clock: The clock; ``clock.sleeps`` has the clients' sleeps.
        requests: The request log.
        faults: The pending faults.

    Example:
        >>> with VirtualEmulator(faults="drop-after") as emulator, emulator.client() as client:
        ...     client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"})
        Traceback (most recent call last):
        decart.errors.SubmitOutcomeUnknownError: ...
    """

    clock: VirtualClock

    def __init__(self, **settings: Any) -> None:
        usual: dict[str, Any] = {"clock": VirtualClock(), "renderer": render_remembered, "background": False}
        super().__init__(**(usual | settings))

    def client(self, **settings: Any) -> DecartClient:
        """Return a new client of the emulator; ``settings`` are those of ``DecartClient``.

        Example:
            >>> client = emulator.client(retry=RetryPolicy(attempts=1))
        """
        usual: dict[str, Any] = {"api_key": KEY, "base_url": URL, "transport": EmulatorTransport(self)}
        return DecartClient(**(usual | settings))

    def async_client(self, **settings: Any) -> AsyncDecartClient:
        """Return a new async client of the emulator; ``settings`` are those of ``AsyncDecartClient``.

        Example:
            >>> client = emulator.async_client(retry=RetryPolicy(attempts=1))
        """
        transport = ThreadedTransport(EmulatorTransport(self))
        usual: dict[str, Any] = {"api_key": KEY, "base_url": URL, "transport": transport}
        return AsyncDecartClient(**(usual | settings))
