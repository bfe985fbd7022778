"""A program that interrupts submits at random moments, each in a fresh process, and prints what came of it.

::

    python -m support.acceptance after requests 200 /tmp/folder

It is a server that forks a child for each interrupt. The child makes the first call of its life, ``submit_and_poll``,
and gets a SIGINT at a random moment: ``before`` the server accepts the job, or ``after`` its response to the submit is
sent. The child reports what an uncaught exception prints, and makes another call.

This process has imported decart and made a client, as a program has that is about to submit, and has called nothing:
whatever a call imports, each child imports for itself. So this module imports no more than decart does.
"""

from __future__ import annotations

import asyncio
import faulthandler
import io
import json
import os
import random
import re
import select
import signal
import socket
import sys
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn

import attrs

from decart import AsyncDecartClient, DecartClient, models, transports
from decart.transports.base import AsyncHttpResponse, Body, HttpRequest, HttpResponse, SystemClock, Timeout

PATIENCE = 30.0  # seconds until a child counts as hung
WARM_UP = 12  # calls by which their duration is measured
MOMENTS: dict[str, list[tuple[str, float | None]]] = {
    "before": [("begun", None), ("touched", 0.001)],
    "after": [("accepted", None), ("accepted", 0.001)],
}
"""The events after which the interrupts arrive, and within how many seconds; None means as long as the call takes."""
NOTE = "The job may have been accepted, and you may have been charged"
ADVICE = re.compile(r"client\.queue\.(?:poll\('j1'\)|download\('j1', path\))")
REQUEST = re.compile(rb"(GET|POST) (/\S*) HTTP/1\.1(\r\n.*?)\r\n\r\n", re.DOTALL)
VIDEO = bytes(200_000)
ORDER: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"}
SYNC = {"requests": "RequestsTransport", "urllib3": "Urllib3Transport"}


# the child


@attrs.define
class Watched:
    """How far a submit has come, as the transport sees it.

    Attributes:
        touched: Whether its body was asked for.
        received: Whether the response to it was handed over completely.
    """

    touched: bool = False
    received: bool = False

    def request(self, request: HttpRequest) -> HttpRequest:
        """Return a request whose body is watched."""
        return request if request.body is None else attrs.evolve(request, body=WatchedBody(request.body, self))

    def took(self, request: HttpRequest, chunk: bytes) -> None:
        """Take note of a chunk of a response."""
        if request.body is not None and chunk.endswith(b"}"):
            self.received = True


@attrs.define
class WatchedBody:
    """A body that takes note when it is asked for.

    Attributes:
        in_memory: It is read on an event loop, not in a thread that could still ask for it after the call has ended.
    """

    body: Body
    watched: Watched
    in_memory: bool = True

    def __len__(self) -> int:
        return len(self.body)

    def __iter__(self) -> Iterator[bytes]:
        for part in self.body:
            self.watched.touched = True
            yield part


class WatchedTransport(SystemClock):
    """A sync transport that is watched, and never sleeps."""

    def __init__(self, name: str, watched: Watched) -> None:
        self._transport, self._watched = getattr(transports, SYNC[name])(), watched
        self.close = self._transport.close

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt."""
        response = self._transport.send(self._watched.request(request), timeout=timeout)
        return HttpResponse(response.status, response.headers, self._chunks(request, response), response.close)

    def _chunks(self, request: HttpRequest, response: HttpResponse) -> Iterator[bytes]:
        for chunk in response.chunks():
            self._watched.took(request, chunk)
            yield chunk

    def sleep(self, seconds: float, cancel: object = None) -> None:
        """Return at once."""


class WatchedAsyncTransport(SystemClock):
    """The same for an async one."""

    def __init__(self, watched: Watched) -> None:
        self._transport, self._watched = transports.AiohttpTransport(), watched
        self.aclose = self._transport.aclose

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        """Make one attempt."""
        response = await self._transport.asend(self._watched.request(request), timeout=timeout)
        return AsyncHttpResponse(response.status, response.headers, self._chunks(request, response), response.aclose)

    async def _chunks(self, request: HttpRequest, response: AsyncHttpResponse) -> AsyncIterator[bytes]:
        async for chunk in response.achunks():
            self._watched.took(request, chunk)
            yield chunk

    async def asleep(self, seconds: float, cancel: object = None) -> None:
        """Return at once."""
        await asyncio.sleep(0)


class Child:
    """A process that makes a call, which may be interrupted, and another one after it."""

    def __init__(self, name: str, url: str, folder: str) -> None:
        self._watched = Watched()
        self._file = os.path.join(folder, "lake.mp4")
        if name in SYNC:
            self._queue: Any = DecartClient(
                "dct_x", base_url=url, transport=WatchedTransport(name, self._watched)
            ).queue
        else:
            self._queue = AsyncDecartClient("dct_x", base_url=url, transport=WatchedAsyncTransport(self._watched)).queue
        self._is_sync = name in SYNC

    def run(self, mark: Callable[[], object]) -> dict[str, Any]:
        """Make both calls, and report how they ended."""
        file = {"save_to": self._file}
        options = random.choice([{}, file, file | {"progress": True}, {"progress": str, "on_status_change": repr}])
        sys.stderr = screen = io.StringIO()
        report: dict[str, Any] = {"options": sorted(options), "ended": False, "next": "", "job_id": None}
        try:
            mark()
            self._call("submit_and_poll", ORDER, **options)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        except BaseException as error:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            report |= _ending(error) | attrs.asdict(self._watched)
            screen.truncate(0)
            sys.excepthook(type(error), error, error.__traceback__)
            report["screen"] = screen.getvalue()
        mark()
        try:
            again = ("submit_and_poll", ORDER) if report["job_id"] is None else ("poll", report["job_id"])
            result = self._call(*again)
            assert result.data == VIDEO, result
            result = self._call(*again, save_to=self._file, progress=True)
            assert result.path.read_bytes() == VIDEO, result
        except BaseException:
            report["next"] = traceback.format_exc()
        return report

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        result = getattr(self._queue, method)(*arguments, **options)
        return result if self._is_sync else asyncio.run(result)


def _ending(error: BaseException) -> dict[str, Any]:
    """Say what ended a call, if it did not end before."""
    while not hasattr(error, "job_id") and error.__context__ is not None:  # asyncio raises a Ctrl-C of its own
        error = error.__context__
    frames = traceback.extract_tb(error.__traceback__)
    ended = any(re.search(r"/decart/_(a?)sync/queue\.py$", frame.filename) for frame in frames)
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-3:]]
    return {"ended": ended, "error": repr(error), "job_id": getattr(error, "job_id", None), "where": where}


# the server


def respond(connection: socket.socket, method: bytes, target: str) -> None:
    """Send the response to a request."""
    if target.endswith("/content"):
        kind, body = "video/mp4", VIDEO
    else:
        status = "pending" if method == b"POST" else "completed"
        kind, body = "application/json", json.dumps({"job_id": "j1", "status": status}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    with suppress(OSError):  # the client was interrupted
        connection.sendall(head.encode() + body)


class Interruption:
    """Serves one child, and interrupts it.

    Args:
        since: The event after which it is interrupted: ``begun``, ``touched`` or ``accepted``.
        seconds: How long after it.

    Attributes:
        times: When the child had ``begun``, the body of its submit was ``touched``, its job was ``accepted``, the
            ``interrupt`` was sent, and its first call was ``over``.
    """

    def __init__(self, listener: socket.socket, since: str, seconds: float) -> None:
        self.times: dict[str, float] = {}
        self._listener, self._since, self._seconds = listener, since, seconds
        self._received: dict[socket.socket, bytes] = {}
        self._held: socket.socket | None = None  # the connection of a submit that waits for its response

    def run(self, child: Child) -> dict[str, Any]:
        """Fork the child, and return what it reports."""
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            run_child(child, writing)
        os.close(writing)
        report, ends = b"", time.perf_counter() + PATIENCE
        while (now := time.perf_counter()) < ends:
            self._interrupt(process, now)
            waits = max(0.0, min(self._due() - now, 0.1))
            for file in select.select([reading, self._listener, *self._received], [], [], waits)[0]:
                if file is self._listener:
                    self._received[self._listener.accept()[0]] = b""
                elif file == reading and not (data := os.read(reading, 1 << 20)):
                    ends = 0.0
                elif file == reading:
                    report += data
                    for event in ("begun", "over")[: report.count(b"\n")]:
                        self.times.setdefault(event, time.perf_counter())
                else:
                    self._read(file)
        is_hung = ends > 0.0
        if is_hung:
            os.kill(process, signal.SIGKILL)
        os.close(reading)
        os.waitpid(process, 0)
        for connection in self._received:
            connection.close()
        return {"hung": is_hung, **json.loads(report.rpartition(b"\n")[2] or b"{}")}

    def _due(self) -> float:
        """Return when to interrupt the child; never, if it was interrupted or its first call is over."""
        if "interrupt" in self.times or "over" in self.times:
            return float("inf")
        return self.times.get(self._since, float("inf")) + self._seconds

    def _interrupt(self, process: int, now: float) -> None:
        """Send the interrupt if its moment has come, and the response that waits for it."""
        if now >= self._due():
            os.kill(process, signal.SIGINT)
            self.times["interrupt"] = time.perf_counter()
        if self._held is not None and (self._since == "accepted" or "interrupt" in self.times):
            respond(self._held, b"POST", "/")
            self._held = None
            self.times.setdefault("accepted", time.perf_counter())

    def _read(self, connection: socket.socket) -> None:
        """Read some of a request, and respond to it once it is complete."""
        try:
            data = connection.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            del self._received[connection]
            connection.close()
            return
        received = self._received[connection] + data
        found = REQUEST.match(received)
        if found and found[1] == b"POST" and len(received) > found.end():
            self.times.setdefault("touched", time.perf_counter())
        length = re.search(rb"\r\ncontent-length: *(\d+)", found[3], re.IGNORECASE) if found else None
        ends = found.end() + (int(length[1]) if length else 0) if found else len(received) + 1
        self._received[connection] = received[ends:] if len(received) >= ends else received
        if found and len(received) >= ends:
            if found[1] == b"POST" and "interrupt" not in self.times:
                self._held = connection
            else:
                respond(connection, found[1], found[2].decode())


def run_child(child: Child, writing: int) -> NoReturn:
    """Make the calls of a child, and write two lines, when it begins and when the first call is over, and a report."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faulthandler.dump_traceback_later(PATIENCE / 2)
    try:
        report = child.run(lambda: os.write(writing, b"\n"))
        os.write(writing, json.dumps(report).encode())
    finally:
        os._exit(0)


# what came of it


def durations(listener: socket.socket, child: Child) -> tuple[float, float]:
    """Return the usual seconds from the beginning of a call to the accepted submit, and from there to its end."""
    before, after = [], []
    for _ in range(WARM_UP):
        interruption = Interruption(listener, "accepted", 2 * PATIENCE)
        report = interruption.run(child)
        assert not report["hung"] and not report["next"], report
        times = interruption.times
        before.append(times["accepted"] - times["begun"])
        after.append(times["over"] - times["accepted"])
    return sorted(before)[WARM_UP // 2], sorted(after)[WARM_UP // 2]


def flaw_of(report: dict[str, Any]) -> str | None:
    """Return which promise an interrupted call broke, if it did."""
    names_job = report["job_id"] == "j1" and ADVICE.search(report["screen"]) is not None
    if report["next"]:
        return "poisoned"
    if report["received"] and not names_job:
        return "unnamed"
    if report["touched"] and not names_job and NOTE not in report["screen"]:
        return "unwarned"
    return None


def interrupt_calls(listener: socket.socket, child: Child, side: str, interrupts: int) -> dict[str, Any]:
    """Interrupt that many calls, and return how many ended how, with examples of broken promises."""
    before, after = durations(listener, child)
    tally, examples = Counter[str](), dict[str, list[Any]]()
    while tally["hits"] < interrupts and tally["calls"] < 3 * interrupts:
        tally["calls"] += 1
        since, seconds = random.choice(MOMENTS[side])
        usual = {"begun": before, "accepted": after}[since] if seconds is None else seconds
        interruption = Interruption(listener, since, random.random() * usual)
        report = interruption.run(child)
        if report["hung"]:
            tally["hung"] += 1
        elif report.get("ended"):  # or else the interrupt came too late
            tally["hits"] += 1
            tally["named" if report["job_id"] else "warned" if NOTE in report["screen"] else "silent"] += 1
            flaw = flaw_of(report)
            if flaw is not None:
                tally[flaw] += 1
                examples.setdefault(flaw, []).append(report)
    return {"before": before, "after": after, "tally": tally, "examples": examples}


def main(side: str, name: str, interrupts: str, folder: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = Child(name, f"http://127.0.0.1:{listener.getsockname()[1]}", folder)
        json.dump(interrupt_calls(listener, child, side, int(interrupts)), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
