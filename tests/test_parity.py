"""The two front doors, over every transport, come to the same end, with the same calls and the same waits.

Each scenario is a script of what the service does and what must come of it. It is played in process by `FakeTransport`
and on a socket by a small server, whose clients live on a clock that moves only when they sleep.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import json
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.fakes import KEY, LAKE, MP4, SILENCE, FakeTransport, answer
from support.servers import Connection, Gone, Server, http, nobody, serving

import decart
from decart import (
    AsyncDecartClient,
    AsyncQueueClient,
    ConnectError,
    DecartClient,
    DecartSDKError,
    PollPolicy,
    QueueClient,
    QueueJobResult,
    RequestsTransport,
    RetryPolicy,
    ThreadedTransport,
    Timeout,
    TransportError,
)
from decart.transports.aiohttp import AiohttpTransport
from decart.transports.base import HttpResponse

POLL = PollPolicy(jitter=0, timeout=20)
RETRY = RetryPolicy(jitter=0)
TIMEOUT = Timeout(connect=5, read=0.5)


# what the service does, one step for each exchange


@attrs.frozen
class Say:
    """BufferedResponse."""

    status: int
    body: object = b""
    headers: dict[str, str] = attrs.field(factory=dict)

    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Hang:
    """Take the request and fall silent."""


class Cut:
    """Take the request and reset the connection."""


class Refuse:
    """Let nobody connect."""


@attrs.frozen
class Short:
    """Promise more bytes than come."""

    data: bytes
    promise: int = 999
    headers: dict[str, str] = attrs.field(factory=dict)


def accepted() -> Say:
    return Say(200, {"job_id": "j1", "status": "pending"})


def status(word: str, **more: object) -> Say:
    return Say(200, {"job_id": "j1", "status": word, **more})


def video() -> Say:
    return Say(200, MP4, {"Content-Type": "video/mp4"})


def cut(start: int, end: int) -> Short:
    """Break the video off."""
    assert start == 0
    return Short(MP4[:end], len(MP4), {"Content-Type": "video/mp4", "ETag": '"v1"'})


def rest(start: int, end: int | None = None) -> Say:
    """Send a range of the video: to its end, or to an end that is too early."""
    headers = {"Content-Range": f"bytes {start}-{(end or len(MP4)) - 1}/{len(MP4)}", "ETag": '"v1"'}
    return Say(206, MP4[start:end], {"Content-Type": "video/mp4", **headers})


# the ways in


class OnClock:
    """A clock that moves only in a sleep, and takes note of it."""

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
    """Without ``asleep``, as any sync transport, to be put in threads."""

    asleep: Any = None


class Aiohttp(OnClock, AiohttpTransport):
    pass


@attrs.frozen
class Seen:
    """What came of a scenario."""

    end: str
    calls: list[str]
    waits: list[float]
    told: list[str]


Play = Callable[[Any, Any], Any]  # (client, told) -> what the verb gives; awaited where the client is async


def in_process(script: list[Any]) -> tuple[str, FakeTransport]:
    def entry(step: Any) -> Any:
        if isinstance(step, Say):
            return lambda _: answer(
                step.status, step.data(), **{k.replace("-", "_"): v for k, v in step.headers.items()}
            )
        if isinstance(step, Short):
            headers = {"Content-Length": str(step.promise), **step.headers}
            return lambda _: HttpResponse(200, headers, _cut_short(step.data))
        return {
            Hang: SILENCE,
            Cut: TransportError("The connection broke off (Connection reset by peer)."),
            Refuse: ConnectError("No connection to the service (nobody).", None, None, False),
        }[type(step)]

    return "http://127.0.0.1:9", FakeTransport(*map(entry, script))


def _cut_short(data: bytes) -> Iterator[bytes]:
    yield data
    raise TransportError("The connection broke off.")


class Stage:
    """A server that plays a script, one step for each request, over any number of connections."""

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


# the scenarios: the script, the verb, and what must come of it


@attrs.frozen(kw_only=True)
class Scenario:
    script: list[Any]
    end: str
    calls: list[str]
    waits: list[float] = attrs.field(factory=list)
    told: list[str] = attrs.field(factory=list)
    play: str = "submit_and_poll"


POST, LOOK, FETCH = "POST /v1/jobs/lucy-pro-t2v", "GET /v1/jobs/j1", "GET /v1/jobs/j1/content"
DONE = f"completed, {len(MP4)} bytes"
SAVED = f"saved, {len(MP4)} bytes"
PDC = ["pending", "processing", "completed"]
UNKNOWN = "SubmitOutcomeUnknownError <- {} (job None)"
HTML = Say(200, b"<html>Gateway</html>", {"Content-Type": "text/html"})

SCENARIOS = {
    "success": Scenario(
        script=[accepted(), *map(status, ["pending", "processing", "processing", "completed"]), video()],
        end=DONE, calls=[POST, *[LOOK] * 4, FETCH], waits=[0.5, 0.75, 1.125, 1.6875], told=PDC,
    ),
    "failure with a reason": Scenario(
        script=[accepted(), status("failed", error="The prompt was refused.")],
        end="failed: The prompt was refused.", calls=[POST, LOOK], waits=[0.5], told=["pending", "failed"],
    ),
    "timeout": Scenario(
        script=[accepted(), *[status("processing")] * 13],
        end="timed out: The wait for job j1 ended after 20 s; its last status was processing. "
        "The job may still finish, and is billed: client.queue.poll('j1') waits for it again.",
        calls=[POST, *[LOOK] * 12], waits=[0.5, 0.75, 1.125, 1.6875, *[2.0] * 7, 1.9375],
        told=["pending", "processing"],
    ),
    "submit is told to slow down": Scenario(
        script=[Say(429, headers={"retry-after": "7"}), accepted()],
        end="j1 pending", calls=[POST, POST], waits=[7.0], play="submit",
    ),
    "a look is told to slow down": Scenario(
        script=[status("pending"), Say(429, headers={"retry-after": "9"}), status("completed"), video()],
        end=DONE, calls=[LOOK, LOOK, LOOK, FETCH], waits=[0.5, 9.0], told=["pending", "completed"], play="poll",
    ),
    "no connection for the submit": Scenario(
        script=[Refuse()] * 4, end="QueueSubmitError <- ConnectError (job None)",
        calls=[], waits=[0.5, 1.0, 2.0], play="submit",
    ),
    "reset after the submit's body": Scenario(
        script=[Cut()], end=UNKNOWN.format("TransportError"), calls=[POST],
    ),
    "silence after the submit's body": Scenario(
        script=[Hang()], end=UNKNOWN.format("TransportTimeout"), calls=[POST],
    ),
    "a submit's answer that is a page": Scenario(script=[HTML], end=UNKNOWN.format("ResponseError"), calls=[POST]),
    "a submit's answer that is cut": Scenario(
        script=[Short(b'{"job_id": "j')], end=UNKNOWN.format("TransportError"), calls=[POST],
    ),
    "a submit that fails inside": Scenario(script=[Say(500)], end=UNKNOWN.format("ServerError"), calls=[POST]),
    "a refused submit": Scenario(
        script=[Say(422, {"detail": [{"loc": ["body", "prompt"], "msg": "too long"}]})],
        end="QueueSubmitError <- ValidationError (job None)", calls=[POST],
    ),
    "looks that are reset": Scenario(
        script=[accepted(), Cut(), Cut(), status("completed"), video()],
        end=DONE, calls=[POST, LOOK, LOOK, LOOK, FETCH], waits=[0.5, 0.5, 1.0], told=["pending", "completed"],
    ),
    "looks that cannot be read": Scenario(
        script=[accepted(), HTML, Say(200, b'{"status"'), Say(502, b"<html>"), status("completed"), video()],
        end=DONE, calls=[POST, *[LOOK] * 4, FETCH], waits=[0.5, 0.5, 1.0, 2.0], told=["pending", "completed"],
    ),
    "a look into silence": Scenario(
        script=[status("pending"), Hang(), status("completed"), video()],
        end=DONE, calls=[LOOK, LOOK, LOOK, FETCH], waits=[0.5, 0.5], told=["pending", "completed"], play="poll",
    ),
    "an unknown status": Scenario(
        script=[accepted(), status("warming"), status("warming"), status("completed"), video()],
        end=DONE, calls=[POST, *[LOOK] * 3, FETCH], waits=[0.5, 0.75, 1.125], told=["pending", "warming", "completed"],
    ),
    "a job that is not visible yet": Scenario(
        script=[accepted(), Say(404), Say(404), status("completed"), video()],
        end=DONE, calls=[POST, *[LOOK] * 3, FETCH], waits=[0.5, 0.5, 1.0], told=["pending", "completed"],
    ),
    "a job that nobody knows": Scenario(
        script=[Say(404)] * 3, end="QueueStatusError <- NotFoundError (job j1)",
        calls=[LOOK] * 3, waits=[0.5, 1.0], play="poll",
    ),
    "a refused key": Scenario(
        script=[Say(401)], end="QueueStatusError <- AuthenticationError (job j1)", calls=[LOOK], play="status",
    ),
    "a redirect": Scenario(
        script=[Say(302, headers={"location": "http://127.0.0.1:1/elsewhere"})],
        end="QueueStatusError <- APIError (job j1)", calls=[LOOK], play="status",
    ),
    "a status": Scenario(
        script=[Say(503), status("processing")],
        end="j1 processing", calls=[LOOK] * 2, waits=[0.5], play="status",
    ),
    "a result that is not there yet": Scenario(
        script=[status("processing")], end="QueueResultError <- None (job j1)", calls=[LOOK], play="result",
    ),
    "a result that breaks off once": Scenario(
        script=[status("completed"), Short(MP4), video()],
        end=DONE, calls=[LOOK, FETCH, FETCH], waits=[0.5], play="result",
    ),
    "a result that stays empty": Scenario(
        script=[status("completed"), *[Say(200, b"", {"Content-Type": "video/mp4"})] * 4],
        end="QueueResultError <- ResponseError (job j1)", calls=[LOOK, *[FETCH] * 4], waits=[0.5, 1.0, 2.0],
        play="result",
    ),
    "a download": Scenario(
        script=[status("completed"), Say(502), video()],
        end=SAVED, calls=[LOOK, FETCH, FETCH], waits=[0.5], play="download",
    ),
    "a download that breaks off, again and again": Scenario(
        script=[
            status("completed"), cut(0, 50), rest(50, 60), rest(60, 70), rest(70, 80), rest(80, 90), rest(90)
        ],
        end=SAVED, calls=[LOOK, *[FETCH] * 6], waits=[0.5], play="download",
    ),
    "a download that the server begins anew": Scenario(
        script=[status("completed"), cut(0, 50), video()],
        end=SAVED, calls=[LOOK, FETCH, FETCH], waits=[0.5], play="download",
    ),
    "a download that gets nowhere": Scenario(
        script=[status("completed"), *[cut(0, 0)] * 4],
        end="QueueResultError <- TransportError (job j1)", calls=[LOOK, *[FETCH] * 4], waits=[0.5, 1.0, 2.0],
        play="download",
    ),
    "a download of a failed job": Scenario(
        script=[status("failed", error="No.")], end="JobFailedError (job j1)", calls=[LOOK], play="download",
    ),
    "a wait that ends in a file": Scenario(
        script=[accepted(), status("completed"), cut(0, 50), rest(50)],
        end=SAVED, calls=[POST, LOOK, FETCH, FETCH], waits=[0.5, 0.5],
        told=["pending", "completed"], play="save_to",
    ),
    "a stream": Scenario(
        script=[status("completed"), Say(503), cut(0, 50), rest(50)],
        end=DONE, calls=[LOOK, *[FETCH] * 3], waits=[0.5, 0.5], play="stream",
    ),
    "a stream that cannot be gone on with": Scenario(
        script=[status("completed"), cut(0, 50), video()],
        end="QueueResultError <- ResponseError (job j1)", calls=[LOOK, FETCH, FETCH], waits=[0.5], play="stream",
    ),
    "a stream of a job that is not there yet": Scenario(
        script=[status("pending")], end="QueueResultError <- None (job j1)", calls=[LOOK], play="stream",
    ),
    "cancelled before": Scenario(script=[], end="WaitCancelledError (job None)", calls=[], play="cancelled"),
    "cancelled by the callback": Scenario(
        script=[accepted(), status("processing")],
        end="WaitCancelledError (job j1)", calls=[POST, LOOK], waits=[0.5, 0.75],
        told=["pending", "processing"], play="cancelled later",
    ),
    "a callback that fails": Scenario(
        script=[accepted()], end="ZeroDivisionError", calls=[POST], play="callback fails",
    ),
    "a bad option": Scenario(script=[], end="InvalidInputError", calls=[], play="bad option"),
}  # fmt: skip


def verb(client: Any, name: str, told: list[str]) -> Any:
    """Begin what a scenario plays; an async client gives something to await."""
    event = threading.Event()

    def tell(job: Any) -> None:
        told.append(job.status)
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
    """Tell an outcome in a line."""
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


def attempt(client: DecartClient, name: str, told: list[str]) -> object:
    with client:
        try:
            return verb(client, name, told)
        except (DecartSDKError, ZeroDivisionError) as error:
            return error


def attempt_async(client: Any, name: str, told: list[str]) -> object:
    async def attempt() -> object:
        async with client as opened:
            assert isinstance(opened, AsyncDecartClient)
            try:
                return await verb(opened, name, told)
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


def play(scenario: Scenario, way: str) -> Seen:
    """Play a scenario over one of the ways, and tell what came of it."""
    kind, front, attempt = WAYS[way]
    told: list[str] = []

    def client(url: str, transport: object) -> Any:
        return front(KEY, base_url=url, transport=transport, poll=POLL, retry=RETRY, timeout=TIMEOUT)

    if kind is None:
        url, fake = in_process(scenario.script)
        end = attempt(client(url, fake), scenario.play, told)
        calls = [] if any(isinstance(step, Refuse) for step in scenario.script) else fake.sent
        return Seen(ending(end), calls, fake.sleeps, told)
    transport = kind()
    with the_service(scenario.script) as (url, server):
        end = attempt(client(url, transport), scenario.play, told)
    calls = [] if server is None else [f"{request.method} {request.target}" for request in server.requests]
    return Seen(ending(end), calls, transport.sleeps, told)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_way_comes_to_the_same_end_with_the_same_calls_and_waits(name: str, way: str) -> None:
    scenario = SCENARIOS[name]
    assert play(scenario, way) == Seen(scenario.end, scenario.calls, scenario.waits, scenario.told)


# the same verbs


def verbs(kind: type) -> dict[str, list[tuple[str, Any, Any]]]:
    """Return the public methods of a class and their parameters."""
    return {
        name: [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]
        for name, method in vars(kind).items()
        if callable(method) and not name.startswith("_")
    }


def test_the_verbs_of_the_two_queues_and_their_parameters_are_the_same() -> None:
    assert verbs(QueueClient) == verbs(AsyncQueueClient)
    assert set(verbs(QueueClient)) >= {"submit", "status", "result", "poll", "submit_and_poll"}


def test_the_methods_and_arguments_of_the_two_clients_are_the_same() -> None:
    assert verbs(DecartClient) == verbs(AsyncDecartClient)
    one, other = (inspect.signature(kind).parameters.values() for kind in (DecartClient, AsyncDecartClient))
    assert [(p.name, p.kind, p.default) for p in one] == [(p.name, p.kind, p.default) for p in other]


def test_what_the_verbs_take_and_give_is_of_the_same_type() -> None:
    for name in vars(QueueClient):
        if not name.startswith("_"):
            one, other = (inspect.get_annotations(getattr(kind, name)) for kind in (QueueClient, AsyncQueueClient))
            one["cancel"] = other["cancel"] = None  # a threading.Event, or any Event
            other["return"] = other["return"].replace("AsyncVideoStream", "VideoStream")
            assert one == other, name


def bodies(module: str) -> dict[str, list[str]]:
    """Return the statements of each method of a module's queue, docstrings left out."""
    tree = ast.parse((Path(decart.__file__).parent / f"{module}.py").read_text("utf-8"))
    queue = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("QueueClient"))
    return {
        node.name: [ast.unparse(statement) for statement in node.body[1 if ast.get_docstring(node) else 0 :]]
        for node in queue.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name != "__init__"
    }


@pytest.mark.parametrize("module", ["queue", "aio"])
def test_a_verb_is_of_a_few_lines(module: str) -> None:
    for name, statements in bodies(module).items():
        if not name.startswith("_"):
            assert sum(text.count("\n") + 1 for text in statements) <= 5, name


def test_the_two_queues_are_the_same_program_but_for_the_awaiting() -> None:
    """Private parts included: take `await` and `async` away, and the same statements are left."""
    awaited = {
        name: [text for text in map(_without_awaiting, statements) if text]
        for name, statements in bodies("aio").items()
    }
    assert awaited == {
        name: [text for text in map(_without_imports, statements) if text]
        for name, statements in bodies("queue").items()
    }


def _without_imports(text: str) -> str:
    return re.sub(r"(?m)^ *from [.\w]+ import [ ,\w]+\n?", "", text)


def _without_awaiting(text: str) -> str:
    text = _without_imports(text)
    text = re.sub(r"\basync |\bawait ", "", text)
    text = text.replace("_submit_call(self._core, ", "self._core.submit_call(")
    text = text.replace("adownload(", "download(").replace("AsyncVideoStream", "VideoStream")
    text = text.replace("_done(watch.callback(news))", "watch.callback(news)")
    return text.replace("AsyncRetrying", "Retrying").replace("asleep", "sleep").replace("awaited=True", "awaited=False")


def test_the_scenarios_cover_every_verb() -> None:
    assert {s.play for s in SCENARIOS.values()} >= set(verbs(QueueClient))


def test_threads_are_beneath_a_sync_transport() -> None:
    client = AsyncDecartClient(KEY, transport=RequestsTransport())
    assert isinstance(client._core.transport, ThreadedTransport)
