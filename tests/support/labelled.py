"""Clients with a journal, and journals that fail."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from decart import (
    DecartClient,
    JobRecord,
    JobSubmitResponse,
    JournalError,
    MemoryJournal,
    SubmitOutcomeUnknownError,
    models,
)
from decart.emulator import EmulatorTransport, VirtualEmulator

T = TypeVar("T")

LAKE: dict[str, Any] = {"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"}
ANOTHER = "another-machine/1/2/3"
"""The owner of a record of another machine."""

OCEAN = LAKE | {"prompt": "A stormy ocean"}


def content(prompt: str | None) -> bytes:
    """Return the video that ``render`` makes of a prompt."""
    return f"{prompt}; ".encode() * 5000


def render(job: Any, target: Path) -> None:
    """Make a video at once, for an emulator."""
    target.write_bytes(content(job.prompt))


def posts(emulator: Any) -> int:
    """Return how many submits reached an emulator."""
    return sum(request.route == "submit" for request in emulator.requests)


def accepted(emulator: Any) -> list[str]:
    """Return the ids of the jobs that an emulator accepted."""
    return [request.job_id for request in emulator.requests if request.route == "submit" and request.job_id]


def states(client: DecartClient) -> dict[str, list[str]]:
    """Return the states of all records: label -> that of each generation."""
    found: dict[str, list[str]] = {}
    for record in client.jobs:
        found.setdefault(record.label, []).append(record.state)
    return found


def record_of(client: DecartClient, label: str = "order-1") -> JobRecord:
    """Return the record of a label."""
    record = client.jobs.get(label)
    assert record is not None
    return record


def unknown(client: DecartClient, label: str = "order-1", options: Any = LAKE) -> None:
    """Submit a job whose outcome is not known."""
    with pytest.raises(SubmitOutcomeUnknownError):
        client.queue.submit(options, label=label)


def leave(journal: Any, state: str, **fields: Any) -> JobRecord:
    """Leave the record of order-1 as another process would that died, or is on another machine."""
    record = journal.latest("order-1")
    changed: JobRecord = record.changed(record.updated_at, state=state, **fields)
    assert journal.replace(changed)
    return changed


class Failing(MemoryJournal):
    """A journal in memory whose methods fail when ``fails(method, record)`` says so.

    Attributes:
        error: What they raise.
        after: Whether they do what they should before they fail, as a database may whose connection breaks.
        calls: The names of the methods that were called.
    """

    def __init__(self, fails: Callable[[str, Any], bool] = lambda method, value: False, **options: Any) -> None:
        super().__init__(**options)
        self.fails, self.after = fails, False
        self.error: Exception = JournalError("The disk is full.")
        self.calls: list[str] = []

    def _maybe(self, name: str, value: Any, call: Callable[[], Any]) -> Any:
        self.calls.append(name)
        if not self.fails(name, value):
            return call()
        if self.after:
            call()
        raise self.error

    def insert(self, record: JobRecord) -> bool:
        return bool(self._maybe("insert", record, lambda: super(Failing, self).insert(record)))

    def replace(self, record: JobRecord) -> bool:
        return bool(self._maybe("replace", record, lambda: super(Failing, self).replace(record)))

    def latest(self, label: str) -> JobRecord | None:
        found: JobRecord | None = self._maybe("latest", label, lambda: super(Failing, self).latest(label))
        return found

    def by_job(self, job_id: str) -> JobRecord | None:
        found: JobRecord | None = self._maybe("by_job", job_id, lambda: super(Failing, self).by_job(job_id))
        return found


def writes_of(*names: str) -> Callable[[str, Any], bool]:
    """Return a rule for ``Failing``: writes of these states fail."""
    return lambda method, value: method in ("insert", "replace") and value.state in names


def submitted(emulator: VirtualEmulator, journal: Any, label: str = "order-1", **settings: Any) -> JobSubmitResponse:
    """Submit a job from a client that is gone afterwards."""
    with emulator.client(journal=journal, **settings) as client:
        return client.queue.submit(LAKE, label=label)


class Waiting(EmulatorTransport):
    """A transport whose waits for another call end when that call has, however little time the machine gives it.

    On the virtual clock, minutes of patience pass while the thread that submits waits for its turn.
    """

    def __init__(self, emulator: VirtualEmulator) -> None:
        super().__init__(emulator)
        self._ended = threading.Event()

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        assert self._ended.wait(60)

    def after(self, call: Callable[[], T]) -> T:
        """Make a call that may wait for others or have others wait for it, and let them continue."""
        try:
            return call()
        finally:
            self._ended.set()


class BothSides(VirtualEmulator):
    """An emulator whose clients are of the side that a test is run for; an async one is awaited in a thread.

    Attributes:
        side: ``"sync"`` or ``"async"``.
        clients: A list for the clients that are made, which the fixture ``side`` closes.
    """

    side = "sync"
    clients: ClassVar[list[Any] | None] = None

    def client(self, **settings: Any) -> Any:
        client = super().client(**settings) if self.side == "sync" else Awaited(self.async_client(**settings))
        if self.clients is not None:
            self.clients.append(client)
        return client


class Awaited:
    """What an async client has, with calls that block."""

    def __init__(self, awaited: Any) -> None:
        self._awaited = awaited

    def __getattr__(self, name: str) -> Any:
        if name == "aio":
            return self._awaited
        value = getattr(self._awaited, name)
        if inspect.iscoroutinefunction(value):
            return lambda *arguments, **options: in_a_thread(value(*arguments, **options))
        return value if callable(value) else Awaited(value)

    def __iter__(self) -> Iterator[Any]:
        async def every() -> list[Any]:
            return [one async for one in self._awaited]

        return iter(in_a_thread(every()))

    def __enter__(self) -> Awaited:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def in_a_thread(call: Coroutine[Any, Any, Any]) -> Any:
    """Await a call on an event loop of its own; a callback that runs on one may do so, too."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, call).result()
