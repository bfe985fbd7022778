"""The complete emulator as a WSGI application: it logs each request, and applies the faults to it.

::

    request ─▶ take faults ─▶ application, or replacement ─▶ modification ─▶ log ─▶ stall ─▶ body, slow or cut off

The call, or reading the body, raises `ConnectionDropped` where the connection is to be dropped, for which WSGI has no
other means. Delays use the sleep in ``environ``: real over HTTP, on the virtual clock in process.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs
from werkzeug.datastructures import EnvironHeaders

from ..transports.base import SystemClock
from .app import App
from .clock import VirtualClock
from .control import PREFIX, Control
from .faults.responses import (
    MODIFICATIONS,
    REPLACEMENTS,
    ConnectionDropped,
    Sleep,
    WsgiResponse,
    is_json,
    with_body_faults,
)
from .requestlog import PATH_LIMIT, LoggedRequest, fingerprint, route_of, safe, short
from .service import Emulator
from .welcome import PATHS, Welcome

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("decart.emulator")

SLEEP = "decart.emulator.sleep"
"""The key of ``environ`` whose value sleeps for so many seconds."""

BLOCK = 64 * 1024


class EmulatorApp:
    """The service's routes, the request log, the faults, the control routes and the welcome page.

    Args:
        emulator: The emulator.
        host: The host that the server listens on, which requests to the control routes may name.
        seconds_per_check: Seconds by which each status check advances a virtual clock. Over HTTP nothing else advances
            it, so a client that waits in real time would wait forever.
    """

    def __init__(self, emulator: Emulator, *, host: str = "localhost", seconds_per_check: float = 0.0) -> None:
        self._emulator = emulator
        self._seconds_per_check = seconds_per_check
        self._app: WSGIApplication = App(emulator)
        self._control = Control(emulator, host)
        self._welcome = Welcome(emulator)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")[:PATH_LIMIT]
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            return self._control(environ, start_response)
        if path in PATHS:
            return self._welcome(environ, start_response)
        exchange = _Exchange(self._emulator, environ, path)
        response = exchange.respond(self._app)
        if exchange.route == "status" and isinstance(self._emulator.clock, VirtualClock):
            self._emulator.clock.advance(self._seconds_per_check)
        if response is None:
            raise ConnectionDropped
        start_response(response.status, response.headers)
        return _Body(response, exchange)


class _Exchange:
    """A request, from its head to the last byte of its response."""

    def __init__(self, emulator: Emulator, environ: WSGIEnvironment, path: str) -> None:
        self._emulator, self._environ, self._path = emulator, environ, path
        self._method: str = environ["REQUEST_METHOD"]
        self.route, self._job_id = route_of(self._method, path)
        self._at = emulator.clock.now()
        self._faults = emulator.faults_for(self.route, self._job_id)
        self._names = [fault.name for fault in self._faults]
        self._sleep: Sleep = environ.get(SLEEP, SystemClock().sleep)
        self._input = environ["wsgi.input"] = _Counted(environ["wsgi.input"])
        self._status: int | None = None

    def respond(self, app: WSGIApplication) -> WsgiResponse | None:
        """Return the response, after any stall; None if the connection is to be dropped."""
        try:
            response = self._create_response(app)
        except ConnectionDropped:
            response = None
        self._status = None if response is None else int(response.status[:3])
        self._log()
        try:
            for fault in self._faults:
                if fault.name == "stall" and fault.bytes is None:
                    self._sleep(fault.seconds or 0)
        except BaseException:
            self.finish(0)
            if response is not None:
                response.close()
            raise
        if response is None:
            self.finish(0)
            return None
        return with_body_faults(response, self._faults, self._sleep)

    def _create_response(self, app: WSGIApplication) -> WsgiResponse:
        fault = next((fault for fault in self._faults if fault.kind.part == "response"), None)
        if fault is not None and fault.name in REPLACEMENTS:
            self._input.drain()
            return REPLACEMENTS[fault.name](fault, self._path)
        response = self._call(app)
        return response if fault is None else MODIFICATIONS[fault.name](fault, response, self.route)

    def _call(self, app: WSGIApplication) -> WsgiResponse:
        """Call the application, and find out which job its response is about."""
        response = _call_app(app, self._environ)
        if is_json(response):
            body = b"".join(response.body)
            response = attrs.evolve(response, body=[body])
            if self.route == "submit":
                self._job_id = json.loads(body).get("job_id")
        job = self._emulator.find(self._job_id) if self.route == "submit" and self._job_id else None
        if job is not None and job.fault is not None:
            self._names.append(job.fault)
        return response

    def _log(self) -> None:
        """Log the request, before the client can see the response."""
        headers = EnvironHeaders(self._environ)
        form = vars(self._environ.get("werkzeug.request", _NO_FORM))
        key = headers.get("X-API-KEY")
        self._emulator.requests.note(
            LoggedRequest(
                method=self._method,
                path=self._path,
                route=self.route,
                at=self._at,
                status=self._status,
                job_id=self._job_id,
                key=fingerprint(key) if key else None,
                headers=safe(dict(headers)),
                faults=tuple(self._names),
                received=self._input.count,
                fields=short(form.get("form", {})),
                files=tuple(short(dict.fromkeys(form.get("files", ()), ""))),
            )
        )

    def finish(self, sent: int) -> None:
        """Print a line for the exchange when it has ended."""
        log.info(
            "%s %s -> %s, %d B in, %d B out, %.0f ms%s%s",
            self._method,
            quote(self._path),
            self._status or "dropped",
            self._input.count,
            sent,
            (self._emulator.clock.now() - self._at) * 1000,
            f", job {quote(self._job_id, safe='')}" if self._job_id else "",
            f", fault {' '.join(self._names)}" if self._names else "",
        )


class _NoForm:
    """Stands in for the application's request, if it has not created one."""


_NO_FORM = _NoForm()


def _call_app(app: WSGIApplication, environ: WSGIEnvironment) -> WsgiResponse:
    """Return an application's response, with its body unread."""
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
        head[:] = status, headers
        return lambda data: None

    body = app(environ, start_response)
    return WsgiResponse(status=head[0], headers=head[1], body=body, close=getattr(body, "close", lambda: None))


class _Counted(io.RawIOBase):
    """The body of a request, counted as it is read."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.count = 0

    def readinto(self, buffer: Any) -> int:
        data: bytes = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)

    def drain(self) -> None:
        """Read and discard the rest."""
        while self.read(BLOCK):
            pass


class _Body:
    """The body of a response, counted as it is sent."""

    def __init__(self, response: WsgiResponse, exchange: _Exchange) -> None:
        self._response, self._exchange = response, exchange
        self._chunks = iter(response.body)
        self._sent = 0
        self._open = True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self._sent += len(chunk)
        return chunk

    def close(self) -> None:
        if self._open:
            self._open = False
            self._response.close()
            self._exchange.finish(self._sent)
