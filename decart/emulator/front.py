"""The complete emulator, between a request and its response: it logs each request, and applies the faults to it.

::

    request ─▶ take faults ─▶ application, or replacement ─▶ modification ─▶ log ─▶ stall ─▶ body, slow or cut off

`Front.respond`, or reading the body of its response, raises `ConnectionDropped` where the connection is to be dropped.
Delays use the sleep that is passed in: real over HTTP, on the virtual clock in process.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from . import control
from .app import App
from .clock import VirtualClock
from .faults.acting import ConnectionDropped, Sleep, modify, replacement, send_slowly_or_partly
from .limits import CHUNK, PATH_LIMIT
from .messages import Incoming
from .requestlog import LoggedRequest, fingerprint, route_of, safe, short
from .service import Emulator

log = logging.getLogger("decart.emulator")


def environ_of(method: str, target: str, headers: Iterable[tuple[str, str]], body: Any) -> dict[str, Any]:
    """Return what werkzeug reads of a WSGI environment. A quoted slash in the path stays quoted.

    Args:
        method: The method.
        target: The path and query, as they were sent.
        headers: The headers, as text.
        body: A binary stream, which counts what has been read.
    """
    path, _, query = target.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": "%2F".join(unquote(part, "latin-1") for part in re.split("%2F", path, flags=re.IGNORECASE)),
        "QUERY_STRING": query,
        "SERVER_NAME": "emulator",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


class Front:
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
        self._app = App(emulator)
        self._host = host

    def respond(self, environ: dict[str, Any], sleep: Sleep) -> Response:
        """Return the response to a request; its status, headers and body are final.

        Raises:
            ConnectionDropped: A fault drops the connection. Reading the body may raise this, too.
        """
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")[:PATH_LIMIT]
        if control.has(path):
            return control.respond(self._emulator, environ, self._host)
        exchange = _Exchange(self._emulator, environ, path, sleep)
        try:
            return exchange.respond(self._app)
        finally:
            if exchange.route == "status" and isinstance(self._emulator.clock, VirtualClock):
                self._emulator.clock.advance(self._seconds_per_check)


class _Exchange:
    """A request, from its head to the last byte of its response."""

    def __init__(self, emulator: Emulator, environ: dict[str, Any], path: str, sleep: Sleep) -> None:
        self._emulator, self._path, self._sleep = emulator, path, sleep
        self._body = environ["wsgi.input"]
        self._request = Incoming(environ)
        self.route, self._job_id = route_of(self._request.method, path)
        self._at = emulator.clock.now()
        self._faults = emulator.faults_for(self.route, self._job_id)
        self._names = [fault.name for fault in self._faults]
        self._sent = 0
        self._has_ended = False

    def respond(self, app: App) -> Response:
        """Return the response, after any stall."""
        response = self._carry_out(app)
        is_dropped = any(fault.drops for fault in self._faults)
        response.call_on_close(partial(self._print, self._logged(None if is_dropped else response.status_code)))
        try:
            for fault in self._faults:
                if fault.name == "stall" and fault.bytes is None:
                    self._sleep(fault.seconds or 0)
            if is_dropped:
                raise ConnectionDropped
        except BaseException:
            response.close()
            raise
        response.direct_passthrough = False
        send_slowly_or_partly(response, self._faults, self._sleep)
        response.response = self._counted(response.iter_encoded())
        return response

    def _carry_out(self, app: App) -> Response:
        fault = next((fault for fault in self._faults if fault.kind.part == "response"), None)
        response = replacement(fault, self._path) if fault is not None else None
        if response is not None:
            with suppress(BadRequest):  # the client hangs up
                while self._body.read(CHUNK):
                    pass
            return response
        response = app.respond(self._request)
        self._job_id = self._job_id or self._request.job_id
        self._names += filter(None, [self._request.job_fault])
        close = getattr(response.response, "close", None)
        if close is not None:  # a file, which what is sent instead would leave open
            response.call_on_close(close)
        if fault is not None:
            modify(fault, response, self.route)
        return response

    def _counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._sent += len(chunk)
            yield chunk

    def _logged(self, status: int | None) -> LoggedRequest:
        """Log the request, before the client can see the response; a status of ``None`` is that of no response."""
        request = self._request
        key = request.headers.get("X-API-KEY")
        entry = LoggedRequest(
            method=request.method,
            path=self._path,
            route=self.route,
            at=self._at,
            status=status,
            job_id=self._job_id,
            key=fingerprint(key) if key else None,
            headers=safe(dict(request.headers)),
            faults=tuple(self._names),
            received=self._body.tell(),
            fields=short(request.texts),
            files=tuple(short(dict.fromkeys(request.uploads, ""))),
        )
        self._emulator.requests.note(entry)
        return entry

    def _print(self, entry: LoggedRequest) -> None:
        """Print a line for the exchange when it has ended: once, however often its response is closed."""
        if self._has_ended:
            return
        self._has_ended = True
        log.info(
            "%s %s -> %s, %d B in, %d B out, %.0f ms%s%s",
            entry.method,
            quote(entry.path),
            entry.status or "dropped",
            entry.received,
            self._sent,
            (self._emulator.clock.now() - entry.at) * 1000,
            f", job {quote(entry.job_id, safe='')}" if entry.job_id else "",
            f", fault {' '.join(entry.faults)}" if entry.faults else "",
        )
