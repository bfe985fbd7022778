"""The emulator as a WSGI application: it finds the route of each request, applies the faults, and logs the request.

::

    request ─▶ take faults ─▶ route, or replacement ─▶ modification ─▶ log ─▶ stall ─▶ body, slow or cut off

A route checks in this order: the announced size (413), path and method (404, 405), the key (401, and 403 for a token
used elsewhere); only then is the body read (400, 413, 422). HEAD works wherever GET does. Like the service's, the
responses have no CORS headers.

A job for an unknown model is a 405, as at the service: each model has a path of its own, and the path of an unknown one
is that of a job, which can only be read. The log says what to do.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter, Map, Rule
from werkzeug.wrappers import Response

from . import control
from .clock import VirtualClock
from .faults.acting import ConnectionDropped, Sleep, modify, replacement, send_slowly_or_partly
from .limits import PATH_LIMIT, UPLOAD_LIMIT
from .logged import LoggedRequest, fingerprint, route_of, safe, short
from .messages import Incoming, Refused, refusal, reply
from .routes import ROUTES
from .service import Emulator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger("decart.emulator")


def environ_of(method: str, target: str, headers: Iterable[tuple[str, str]], body: Any) -> dict[str, Any]:
    """Return what werkzeug reads of a WSGI environment. A quoted slash in the path stays quoted."""
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
        if "_" in name:  # it would be taken for one with a dash; most servers leave it out, too
            continue
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


class App:
    """The routes of the service and the control routes over one ``Emulator``, with its faults and its request log.

    Args:
        emulator: The emulator.
        host: The host that the server listens on, which requests to the control routes may name.
        seconds_per_check: Seconds by which each status check advances a virtual clock. Over HTTP nothing else advances
            it, so a client that waits in real time would wait forever.

    Example:
        >>> from wsgiref.simple_server import make_server
        >>> make_server("127.0.0.1", 8787, App(Emulator())).serve_forever()
    """

    def __init__(self, emulator: Emulator, *, host: str = "localhost", seconds_per_check: float = 0.0) -> None:
        self._emulator = emulator
        self._host = host
        self._seconds_per_check = seconds_per_check
        names = emulator.catalogue.names
        self._routes = _routes(tuple(names()), tuple(names(pictures=True)))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self.respond(environ, self._emulator.clock.sleep)(environ, start_response)

    def respond(self, environ: WSGIEnvironment, sleep: Sleep) -> Response:
        """Return the response to a request; its status, headers and body are final.

        Args:
            environ: The request.
            sleep: How to wait during a slow response.

        Raises:
            ConnectionDropped: A fault drops the connection. Reading the body may raise this, too.
        """
        request = Incoming(environ)
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")[:PATH_LIMIT]
        if control.has(path):
            why = control.guard(environ, self._host) if path.startswith(control.PREFIX) else None
            return self.carry_out(request) if why is None else refusal(Refused(403, why))
        exchange = _Exchange(self._emulator, request, path, sleep)
        try:
            return exchange.respond(self)
        finally:
            if exchange.route == "status" and isinstance(self._emulator.clock, VirtualClock):
                self._emulator.clock.advance(self._seconds_per_check)

    def carry_out(self, request: Incoming) -> Response:
        """Return the response of a request's route, whatever happens, after reading the body to its end."""
        with request:  # closes the uploaded files
            response = self._attempt(request)
            if response.status_code == 413:  # after which the server closes the connection
                return response
            try:
                request.drain()
            except HTTPException as error:
                response.close()
                return refusal(error)
            return response

    def _attempt(self, request: Incoming) -> Response:
        try:
            request.limit(UPLOAD_LIMIT)
            route, values = self._routes.bind_to_environ(request.environ).match()
            if not route.open:
                key, origin = request.headers.get("X-API-KEY", ""), request.headers.get("Origin")
                request.caller = self._emulator.keys.authenticate(key, origin)
            response: Response = route.handler(self._emulator, request, **values)
            return response
        except HTTPException as error:
            if isinstance(error, MethodNotAllowed) and route_of(request.method, request.path)[0] == "submit":
                log.warning("No model %.100r: add it with Emulator(models=...) or --model", request.path[9:])
            return refusal(error)
        except Exception:
            log.exception("A bug in the emulator")
            return reply({"detail": "Internal Server Error"}, 500)


class _Exchange:
    """A request, from its head to the last byte of its response."""

    def __init__(self, emulator: Emulator, request: Incoming, path: str, sleep: Sleep) -> None:
        self._emulator, self._request, self._path, self._sleep = emulator, request, path, sleep
        self.route, request.job_id = route_of(request.method, path)
        self._at = emulator.clock.now()
        self._faults = emulator.faults_for(self.route, request.job_id)
        self._sent = 0

    def respond(self, app: App) -> Response:
        """Return the response, after any stall."""
        response, ends = self._response(app), ExitStack()
        is_dropped = any(fault.drops for fault in self._faults)
        ends.callback(self._print, self._logged(None if is_dropped else response.status_code))
        response.call_on_close(ends.close)  # which does nothing when a response is closed once more
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

    def _response(self, app: App) -> Response:
        fault = next((fault for fault in self._faults if fault.kind.part == "response"), None)
        response = replacement(fault, self._path) if fault is not None else None
        if response is not None:
            with suppress(HTTPException):  # the client hangs up
                self._request.drain()
            return response
        response = app.carry_out(self._request)
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
            job_id=request.job_id,
            key=fingerprint(key) if key else None,
            headers=safe(dict(request.headers)),
            faults=(*(fault.name for fault in self._faults), *filter(None, [request.job_fault])),
            received=request.received,
            fields=short(request.texts),
            files=tuple(short(dict.fromkeys(request.uploads, ""))),
        )
        self._emulator.requests.note(entry)
        return entry

    def _print(self, entry: LoggedRequest) -> None:
        """Print a line for the exchange when it has ended."""
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


@lru_cache(maxsize=16)
def _routes(names: tuple[str, ...], pictures: tuple[str, ...]) -> Map:
    """Return the table of the routes, which emulators of the same models share: it takes milliseconds to compile."""
    return Map(
        [Rule(route.path, methods=[route.method], endpoint=route) for route in (*ROUTES, *control.ROUTES)],
        converters={"known": _one_of(names), "picture": _one_of(pictures)},
        merge_slashes=False,
    )


def _one_of(names: Iterable[str]) -> type[BaseConverter]:
    """Return a converter that matches only these names, so that other paths do not have this route."""

    class OneOf(BaseConverter):
        regex = f"(?:{'|'.join(map(re.escape, names))})"
        part_isolating = True

    return OneOf
