"""Play a scenario in process or over a socket, through either client and over any transport.

In process it is played by `FakeTransport`; over a socket it is played by a small server, whose clients have a clock
that advances only in a sleep.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs

import decart
from decart import (
    AsyncDecartClient,
    AsyncQueueClient,
    ConnectError,
    DecartClient,
    DecartSDKError,
    PollPolicy,
    QueueJobResult,
    RequestsTransport,
    RetryPolicy,
    Timeout,
    TransportError,
)
from decart.transports.aiohttp import AiohttpTransport
from decart.transports.base import HttpResponse
from support.fakes import KEY, LAKE, MP4, SILENCE, FakeTransport, make_response
from support.scenarios import Cut, Hang, Refuse, Say, Scenario, Short
from support.servers import Connection, Gone, Server, http, nobody, serving

POLL = PollPolicy(jitter=0, timeout=20)
RETRY = RetryPolicy(jitter=0)


class OnClock:
    """A clock that advances only in a sleep, and records the sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeps: list[float] = []
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float, cancel: Any = None) -> None:
        self.sleeps.append(seconds)
        self._now += seconds

    async def asleep(self, seconds: float, cancel: Any = None) -> None:
        OnClock.sleep(self, seconds, cancel)


class Requests(OnClock, RequestsTransport):
    pass


class BlockingRequests(OnClock, RequestsTransport):
    """A transport without ``asleep``, like any sync transport that is run in threads."""

    asleep: Any = None


class Aiohttp(OnClock, AiohttpTransport):
    pass


@attrs.frozen
class Seen:
    """The outcome of a scenario."""

    end: str
    calls: list[str]
    waits: list[float]
    statuses: list[str]


Play = Callable[[Any, Any], Any]  # (client, statuses) -> the result of the method; awaited if the client is async


def in_process(script: list[Any]) -> tuple[str, FakeTransport]:
    def entry(step: Any) -> Any:
        if isinstance(step, Say):
            return lambda _: make_response(
                step.status, step.data(), **{k.replace("-", "_"): v for k, v in step.headers.items()}
            )
        if isinstance(step, Short):
            headers = {"Content-Length": str(step.promise), **step.headers}
            return lambda _: HttpResponse(200, headers, _cut_short(step.data))
        return {
            Hang: SILENCE,
            Cut: TransportError("The connection broke off (Connection reset by peer)."),
            Refuse: ConnectError("No connection to the service (nobody).", may_have_been_sent=False),
        }[type(step)]

    return "http://127.0.0.1:9", FakeTransport(*map(entry, script))


def _cut_short(data: bytes) -> Iterator[bytes]:
    yield data
    raise TransportError("The connection broke off.")


class Stage:
    """A server script that plays one step per request, over any number of connections."""

    def __init__(self, script: list[Any]) -> None:
        self._steps = iter(script)
        self._lock = threading.Lock()

    def __call__(self, connection: Connection) -> None:
        while True:
            connection.read_request()
            with self._lock:
                step = next(self._steps)
            if isinstance(step, Say):
                connection.send(http(step.status, step.data(), step.headers))
            elif isinstance(step, Short):
                length = (f"Content-Length: {size}".encode() for size in (len(step.data), step.promise))
                connection.send(http(200, step.data, step.headers).replace(*length))
                raise Gone
            elif isinstance(step, Hang):
                connection.until_closed()
            else:
                connection.reset()
                raise Gone


def verb(client: Any, name: str, statuses: list[str]) -> Any:
    """Call the method that a scenario plays; with an async client, return an awaitable."""
    event = threading.Event()

    def tell(job: Any) -> None:
        statuses.append(job.status)
        if job.status == "processing" and name == "cancelled later":
            event.set()

    queue = client.queue
    if name == "cancelled":
        event.set()
    return {
        "submit": lambda: queue.submit(LAKE),
        "status": lambda: queue.status("j1"),
        "result": lambda: queue.result("j1"),
        "poll": lambda: queue.poll("j1", on_status_change=tell),
        "submit_and_poll": lambda: queue.submit_and_poll({**LAKE, "on_status_change": tell}),
        "download": lambda: queue.download("j1", _target()),
        "save_to": lambda: queue.submit_and_poll({**LAKE, "on_status_change": tell}, save_to=_target()),
        "stream": lambda: _streamed(queue),
        "cancelled": lambda: queue.submit_and_poll(LAKE, cancel=event),
        "cancelled later": lambda: queue.submit_and_poll(LAKE, cancel=event, on_status_change=tell),
        "callback fails": lambda: queue.submit_and_poll(LAKE, on_status_change=lambda job: 1 / 0),
        "bad option": lambda: queue.submit_and_poll({**LAKE, "promt": "x"}),
    }[name]()


def _target() -> Path:
    return Path(tempfile.mkdtemp(), "lake.mp4")


def _streamed(queue: Any) -> Any:
    """Read a stream to its end, as a result."""

    async def all_of_it() -> QueueJobResult:
        async with queue.stream("j1") as video:
            return QueueJobResult(job_id="j1", status="completed", data=b"".join([chunk async for chunk in video]))

    if isinstance(queue, AsyncQueueClient):
        return all_of_it()
    with queue.stream("j1") as video:
        return QueueJobResult(job_id="j1", status="completed", data=b"".join(video))


def ending(value: object) -> str:
    """Describe an outcome in one line."""
    if isinstance(value, decart.QueueError):
        return f"{type(value).__name__} <- {type(value.cause).__name__ if value.cause else None} (job {value.job_id})"
    if isinstance(value, decart.JobError):
        return f"{type(value).__name__} (job {value.job_id})"
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, QueueJobResult) and value.path is not None:
        assert value.data is None
        value = value.path
    if isinstance(value, Path):
        assert value.read_bytes() == MP4
        assert [file.name for file in value.parent.iterdir()] == [value.name], "something was left behind"
        return f"saved, {value.stat().st_size} bytes"
    if isinstance(value, QueueJobResult):
        if value.status == "completed":
            return f"completed, {len(value.data or b'')} bytes"
        return f"timed out: {value.error}" if value.timed_out else f"failed: {value.error}"
    assert isinstance(value, (decart.JobSubmitResponse, decart.JobStatusResponse))
    return f"{value.job_id} {value.status}"


def attempt(client: DecartClient, name: str, statuses: list[str]) -> object:
    with client:
        try:
            return verb(client, name, statuses)
        except (DecartSDKError, ZeroDivisionError) as error:
            return error


def attempt_async(client: Any, name: str, statuses: list[str]) -> object:
    async def attempt() -> object:
        async with client as opened:
            assert isinstance(opened, AsyncDecartClient)
            try:
                return await verb(opened, name, statuses)
            except (DecartSDKError, ZeroDivisionError) as error:
                return error

    return asyncio.run(attempt())


WAYS: dict[str, tuple[Callable[[], Any] | None, type, Callable[..., object]]] = {
    "sync, in process": (None, DecartClient, attempt),
    "sync, requests": (Requests, DecartClient, attempt),
    "async, in process": (None, AsyncDecartClient, attempt_async),
    "async, in process, of a DecartClient": (None, DecartClient, attempt_async),
    "async, requests in threads": (BlockingRequests, AsyncDecartClient, attempt_async),
    "async, requests in threads, of a DecartClient": (BlockingRequests, DecartClient, attempt_async),
    "async, aiohttp": (Aiohttp, AsyncDecartClient, attempt_async),
    "async, aiohttp, of a DecartClient": (Aiohttp, DecartClient, attempt_async),
}


@contextlib.contextmanager
def the_service(script: list[Any]) -> Iterator[tuple[str, Server | None]]:
    if any(isinstance(step, Refuse) for step in script):
        with nobody() as url:
            yield url, None
    else:
        with serving(Stage(script)) as server:
            yield server.url, server


def play(scenario: Scenario, way: str, timeout: Timeout) -> Seen:
    """Play a scenario in one of the ways, and return the outcome."""
    kind, front, attempt = WAYS[way]
    statuses: list[str] = []

    def client(url: str, transport: object) -> Any:
        return front(KEY, base_url=url, transport=transport, poll=POLL, retry=RETRY, timeout=timeout)

    if kind is None:
        url, fake = in_process(scenario.script)
        end = attempt(client(url, fake), scenario.play, statuses)
        calls = [] if any(isinstance(step, Refuse) for step in scenario.script) else fake.sent
        return Seen(ending(end), calls, fake.sleeps, statuses)
    transport = kind()
    with the_service(scenario.script) as (url, server):
        end = attempt(client(url, transport), scenario.play, statuses)
    calls = [] if server is None else [f"{request.method} {request.target}" for request in server.requests]
    return Seen(ending(end), calls, transport.sleeps, statuses)
