"""A transport that passes each request to the emulator's WSGI application in this process."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import InvalidInputError, TransportError
from ..transports.base import HttpRequest, HttpResponse, Timeout
from ..transports.failures import failure, timed_out
from .clock import VirtualClock
from .faults.responses import ConnectionDropped
from .service import Emulator
from .wsgi import SLEEP, EmulatorApp


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
        self._front = EmulatorApp(self.emulator)

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Send the request; it takes no time on the clock unless a fault does."""
        environ = _environ(request) | {SLEEP: self._sleeping(timeout)}
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[..., None]:
            head[:] = int(status[:3]), dict(headers)
            return lambda data: None

        try:
            response: Any = self._front(environ, start_response)
        except ConnectionDropped as cut:
            raise _broken_off(cut) from None
        status, headers = head
        return HttpResponse(status, headers, _read(response), response.close)

    def _sleeping(self, timeout: Timeout) -> Callable[[float], None]:
        """Return a sleep for slow responses, which advances the clock and times out as the client would."""
        ends = self.clock.now() + (float("inf") if timeout.total is None else timeout.total)

        def sleep(seconds: float) -> None:
            limit = min(float("inf") if timeout.read is None else timeout.read, ends - self.clock.now())
            self.clock.advance(min(seconds, limit))
            if seconds >= limit:
                silence = failure("http://emulator", timed_out(timeout), sent=True, silent=True)
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


def _environ(request: HttpRequest) -> dict[str, Any]:
    """Return a request as WSGI has it (PEP 3333), which a general builder takes several times as long to do."""
    parts = urlsplit(request.url)
    body = b"".join(request.body) if request.body is not None else b""
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    kind = headers.pop("HTTP_CONTENT_TYPE", None)
    headers.pop("HTTP_CONTENT_LENGTH", None)
    return {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": _unquoted(parts.path),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname or "",
        "SERVER_PORT": str(parts.port or (443 if parts.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": parts.netloc,
        "CONTENT_LENGTH": str(len(body)),
        **({} if kind is None else {"CONTENT_TYPE": kind}),
        **headers,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def _unquoted(path: str) -> str:
    """Return a path as cheroot passes it to a WSGI application: a quoted slash stays quoted."""
    return "%2F".join(unquote(part, "latin-1") for part in re.split("%2F", path, flags=re.IGNORECASE))


def _read(response: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a body; a dropped connection is a transport error."""
    try:
        yield from response
    except ConnectionDropped as cut:
        raise _broken_off(cut) from None


def _broken_off(cut: ConnectionDropped) -> TransportError:
    """Return the error of a connection that was dropped after the request had been sent."""
    why = os.strerror(errno.ECONNRESET) if cut.reset else "the response ended too early"
    return failure("http://emulator", why, sent=True, silent=False)
