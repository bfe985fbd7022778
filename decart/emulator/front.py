"""What stands before the emulator's application: it notes each request, and lets the faults act on it.

::

    request ─▶ what acts? ─▶ the application, or another answer ─▶ broken? ─▶ noted ─▶ silence ─▶ body on its way

It is WSGI, but for `Dropped`, raised where the connection is to be cut: by the call, or while the body is read.
Slow things sleep as the carrier says in ``environ``: really over HTTP, on the virtual clock in process.
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
from .faults.answers import BROKEN, INSTEAD, Answer, Dropped, Sleep, is_json, on_its_way
from .requestlog import PATH_LIMIT, LoggedRequest, fingerprint, route_of, safe, short
from .service import Emulator
from .welcome import PATHS, Welcome

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("decart.emulator")

SLEEP = "decart.emulator.sleep"
"""Where ``environ`` has the carrier's function that lets so many seconds pass."""

BLOCK = 64 * 1024


class Front:
    """All of the emulator as a WSGI application: the service's routes, the log, the faults and the control routes.

    Args:
        emulator: The queue.
        host: The host that it is served on, which a request to the control routes may name.
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
        answer = exchange.answer(self._app)
        if exchange.route == "status" and isinstance(self._emulator.clock, VirtualClock):
            self._emulator.clock.advance(self._seconds_per_check)
        if answer is None:
            raise Dropped
        start_response(answer.status, answer.headers)
        return _Body(answer, exchange)


class _Exchange:
    """One request, from its head to the last byte of its answer."""

    def __init__(self, emulator: Emulator, environ: WSGIEnvironment, path: str) -> None:
        self._emulator, self._environ, self._path = emulator, environ, path
        self._method: str = environ["REQUEST_METHOD"]
        self.route, self._job_id = route_of(self._method, path)
        self._at = emulator.clock.now()
        self._faults = emulator.faults.take(self.route)
        self._names = [fault.name for fault in self._faults]
        self._sleep: Sleep = environ.get(SLEEP, SystemClock().sleep)
        self._input = environ["wsgi.input"] = _Counted(environ["wsgi.input"])
        self._status: int | None = None

    def answer(self, app: WSGIApplication) -> Answer | None:
        """Return the answer, when its time has come; None if there is to be none."""
        try:
            answer = self._made(app)
        except Dropped:
            answer = None
        self._status = None if answer is None else int(answer.status[:3])
        self._note()
        try:
            for fault in self._faults:
                if fault.name == "stall" and fault.bytes is None:
                    self._sleep(fault.seconds or 0)
        except BaseException:
            self.over(0)
            if answer is not None:
                answer.close()
            raise
        if answer is None:
            self.over(0)
            return None
        return on_its_way(answer, self._faults, self._sleep)

    def _made(self, app: WSGIApplication) -> Answer:
        fault = next((fault for fault in self._faults if fault.kind.part == "answer"), None)
        if fault is not None and fault.name in INSTEAD:
            self._input.drain()
            return INSTEAD[fault.name](fault, self._path)
        answer = self._asked(app)
        return answer if fault is None else BROKEN[fault.name](fault, answer, self.route)

    def _asked(self, app: WSGIApplication) -> Answer:
        """Have the application answer, and see what it says of a job."""
        answer = _answer_of(app, self._environ)
        if is_json(answer):
            body = b"".join(answer.body)
            answer = attrs.evolve(answer, body=[body])
            if self.route == "submit":
                self._job_id = json.loads(body).get("job_id")
        job = self._emulator.find(self._job_id) if self.route == "submit" and self._job_id else None
        if job is not None and job.fault is not None:
            self._names.append(job.fault)
        return answer

    def _note(self) -> None:
        """Remember the request, before its answer can be seen."""
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

    def over(self, sent: int) -> None:
        """Tell of the exchange, when it has ended."""
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
    """Stands where the application's request is, when it has not made one."""


_NO_FORM = _NoForm()


def _answer_of(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Return what an application answers, its body still to be read."""
    head: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
        head[:] = status, headers
        return lambda data: None

    body = app(environ, start_response)
    return Answer(status=head[0], headers=head[1], body=body, close=getattr(body, "close", lambda: None))


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
        """Read what is left, and keep none of it."""
        while self.read(BLOCK):
            pass


class _Body:
    """The body of an answer, counted as it goes out."""

    def __init__(self, answer: Answer, exchange: _Exchange) -> None:
        self._answer, self._exchange = answer, exchange
        self._chunks = iter(answer.body)
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
            self._answer.close()
            self._exchange.over(self._sent)
