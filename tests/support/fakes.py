"""A transport that responds from a script, on a clock that advances only in a sleep or a slow request.

::

    transport = FakeTransport(accepted(), status("processing"), ConnectError("no net"), status("completed"), video())

Each entry is for one request: an ``HttpResponse``, an exception to raise, a function of the request that returns one,
or ``Takes(seconds, entry)``. ``always(function)`` never ends. A script that runs dry fails the test.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import attrs

from decart import DecartClient, ModelDefinition, models
from decart.errors import TransportTimeout
from decart.transports.base import AsyncHttpResponse, HttpRequest, HttpResponse, Timeout

KEY = "dct_Kq7vT2xN9pLw4ZsY"
LAKE: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake at sunset"}
OWN_MODEL = ModelDefinition(name="lucy-preview", task="text-to-video")
MP4 = (
    b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"
    + b"\x00\x00\x00\x10moov\x00\x00\x00\x08free"
    + b"\x00\x00\x01\x08mdat"
    + bytes(range(256))
)
"""An MP4 that is structurally complete, although it has no frames."""

Outcome = HttpResponse | BaseException
Entry = Any  # Outcome, Callable[[HttpRequest], Outcome], or Takes; recursive, so not spelled out


@attrs.frozen
class Takes:
    """A response that takes ``seconds``; if the timeout is shorter, the request times out."""

    seconds: float
    entry: Entry


SILENCE = Takes(float("inf"), None)


@attrs.frozen(kw_only=True)
class Sent:
    """A request as it was sent."""

    method: str
    url: str
    headers: dict[str, str] = attrs.field(repr=False)
    body: bytes | None
    timeout: Timeout
    at: float

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


class FakeTransport:
    """A scripted in-memory transport; see the module."""

    def __init__(self, *script: Entry, start: float = 0.0) -> None:
        self._script: Iterator[Entry] = _flat(script)
        self._now = start
        self._events: list[tuple[float, Callable[[], object]]] = []
        self.requests: list[Sent] = []
        self.sleeps: list[float] = []
        self.closes = 0

    @property
    def sent(self) -> list[str]:
        """The method and path of each request."""
        return [f"{request.method} {request.path}" for request in self.requests]

    @property
    def posts(self) -> list[Sent]:
        return [request for request in self.requests if request.method == "POST"]

    def check_times(self) -> list[float]:
        """Return the times of the status checks."""
        return [r.at for r in self.requests if r.method == "GET" and not r.path.endswith("/content")]

    def at(self, moment: float, action: Callable[[], object]) -> None:
        """Call ``action`` when the clock, in a sleep, reaches ``moment``; it may raise."""
        self._events.append((moment, action))
        self._events.sort(key=lambda event: event[0])

    def interrupt_at(self, moment: float) -> None:
        """Simulate Ctrl-C at a time."""

        def press() -> None:
            raise KeyboardInterrupt

        self.at(moment, press)

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        body = None if request.body is None else b"".join(request.body)
        assert request.body is None or len(request.body) == len(body or b"")
        sent = Sent(
            method=request.method,
            url=request.url,
            headers=dict(request.headers),
            body=body,
            timeout=timeout,
            at=self._now,
        )
        self.requests.append(sent)
        assert len(self.requests) < 10_000, "this never ends"
        entry = next(self._script, None)
        assert entry is not None, f"the script has no response to {sent}"
        if isinstance(entry, Takes):
            limit = min(timeout.read if entry is SILENCE else float("inf"), timeout.total or float("inf"))
            self._now += min(entry.seconds, limit)
            if entry.seconds > limit:
                raise TransportTimeout("The service went silent.")
            entry = entry.entry
        outcome: Outcome = entry if isinstance(entry, (HttpResponse, BaseException)) else entry(request)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def now(self) -> float:
        return self._now

    def time(self) -> float:
        """The UNIX time: the same clock."""
        return self._now

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        self.sleeps.append(seconds)
        end = self._now + seconds
        while not (cancel is not None and cancel.is_set()):
            if not self._events or self._events[0][0] > end:
                self._now = end
                return
            moment, action = self._events.pop(0)
            self._now = max(self._now, moment)
            action()

    def close(self) -> None:
        self.closes += 1

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        response = self.send(request, timeout=timeout)
        return AsyncHttpResponse(
            response.status, response.headers, Later(response.chunks()), self._later(response.close)
        )

    async def asleep(self, seconds: float, cancel: Any = None) -> None:
        self.sleep(seconds, cancel)
        await asyncio.sleep(0)  # so that a task can be cancelled here

    async def aclose(self) -> None:
        self.close()

    @staticmethod
    def _later(call: Callable[[], object]) -> Callable[[], Any]:
        async def later() -> None:
            call()

        return later


class Later:
    """An async iterator over chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> Later:
        return self

    async def __anext__(self) -> bytes:
        chunk = next(self._chunks, None)
        if chunk is None:
            raise StopAsyncIteration
        return chunk


def _flat(script: Iterable[Entry]) -> Iterator[Entry]:
    for entry in script:
        if isinstance(entry, Iterator):
            yield from entry
        else:
            yield entry


def always(make: Callable[[], Entry]) -> Iterator[Entry]:
    """Respond to every further request with the result of ``make``."""
    while True:
        yield make()


def make_response(status: int = 200, body: object = b"", **headers: str) -> HttpResponse:
    """Create a response; a body other than bytes is sent as JSON, and ``retry_after=`` is the header Retry-After."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
        names = {"Content-Type": "application/json", **names}
    return HttpResponse(status, names, [body[:7], body[7:]])


def accepted(job_id: str = "j1", status: str = "pending") -> HttpResponse:
    return make_response(200, {"job_id": job_id, "status": status})


def status(status: str, job_id: str = "j1", **more: Any) -> HttpResponse:
    return make_response(200, {"job_id": job_id, "status": status, **more})


def video(data: bytes = MP4) -> HttpResponse:
    return make_response(200, data, content_type="video/mp4", content_length=str(len(data)))


def client_of(transport: FakeTransport, **settings: Any) -> DecartClient:
    return DecartClient(api_key=KEY, transport=transport, **settings)
