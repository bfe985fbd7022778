"""A submit that is interrupted at any line, or cancelled at any moment, loses no id, blocks no label and bills once."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from support.labelled import LAKE, accepted, posts, record_of, render

import decart
from decart import DecartClient, JobRecord, MemoryJournal, SQLiteJournal, SubmitOutcomeUnknownError, WaitCancelledError
from decart.emulator import Emulator, EmulatorServer, EmulatorTransport, VirtualEmulator
from decart.transports.base import HttpRequest, HttpResponse, Timeout

FOLDER = decart.__path__[0]
PLACES = tuple(f"{FOLDER}/{name}" for name in ("_sync/recorder", "_sync/operations", "_sync/backend", "journal/"))


class Interrupt(KeyboardInterrupt):
    """Raised at a line."""


class Lines:
    """Counts the lines that are run of what records a submit, and interrupts one of them.

    Attributes:
        count: The lines so far.
    """

    def __init__(self, at: int | None) -> None:
        self.count, self._at = 0, at

    def during(self, call: Callable[[], Any]) -> Any:
        before = sys.gettrace()
        sys.settrace(self._frame)
        try:
            return call()
        finally:
            sys.settrace(before)

    def _frame(self, frame: FrameType, event: str, _: Any) -> Any:
        return self._line if frame.f_code.co_filename.startswith(PLACES) else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            self.count += 1
            if self.count - 1 == self._at:
                raise Interrupt
        return self._line


class Twice(Lines):
    """Interrupts a line, and then, while that interrupt ends the call, one of the calls of Python's that follow.

    Attributes:
        hits: The interrupts so far.
    """

    def __init__(self, at: int, gap: int) -> None:
        super().__init__(at)
        self.hits, self._gap = 0, gap

    def during(self, call: Callable[[], Any]) -> Any:
        before = sys.getprofile()
        sys.setprofile(self._event)  # an exception that a trace function raises ends all tracing, but no profiling
        try:
            return super().during(call)
        finally:
            sys.setprofile(before)

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        try:
            return super()._line(frame, event, argument)
        except Interrupt:
            self.hits = 1
            raise

    def _event(self, frame: FrameType, event: str, _: Any) -> None:
        if self.hits == 1 and frame.f_code.co_filename.startswith(PLACES):
            self._gap -= 1
            if self._gap < 0:
                self.hits = 2
                raise Interrupt


class Counting(EmulatorTransport):
    """A transport that tells of each request, before and after it, and knows how many it is sending."""

    def __init__(self, emulator: VirtualEmulator, tell: Callable[[], None]) -> None:
        super().__init__(emulator)
        self._sending, self._changed, self._tell = 0, threading.Condition(), tell

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        self._change(1)
        try:
            self._tell()
            try:
                return super().send(request, timeout=timeout)
            finally:
                self._tell()
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        with self._changed:
            self._sending += by
            self._changed.notify_all()

    def wait(self) -> None:
        """Wait until a thread that was left behind has sent its request."""
        with self._changed:
            self._changed.wait_for(lambda: not self._sending)


def check(client: DecartClient, emulator: VirtualEmulator) -> str:
    """Submit a label once more after an interrupt, and return in which state it was."""
    record = client.jobs.get("order-1")
    state = "nothing" if record is None else record.state
    paid = accepted(emulator)
    if state == "accepted":
        assert record is not None
        assert [record.job_id] == paid
    elif state in ("nothing", "intended", "refused"):
        assert paid == []
    try:
        job = client.queue.submit(LAKE, label="order-1")
    except SubmitOutcomeUnknownError:
        client.jobs.settle("order-1", job_id=paid[0] if paid else None)
        job = client.queue.submit(LAKE, label="order-1")
    assert accepted(emulator) == [job.job_id]
    assert record_of(client).job_id == job.job_id
    assert sum(emulator.clock.sleeps) < 1, "it waited for a call that is over"
    assert len(client.jobs.resume(save_to="{label}.mp4")) == 1
    return state


@pytest.mark.slow
def test_a_submit_may_be_interrupted_at_any_line(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    number, found, interrupted = 0, dict[str, int](), True
    while interrupted:
        interrupted = False
        with VirtualEmulator(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
            lines = Lines(number)
            try:
                lines.during(lambda client=client: client.queue.submit(LAKE, label="order-1"))
            except Interrupt:  # its traceback keeps all frames meanwhile, as a notebook's does
                interrupted = True
                state = check(client, emulator)
                found[state] = found.get(state, 0) + 1
        number += 1
    assert number > 100
    assert set(found) >= {"nothing", "refused", "accepted"}


def test_a_submit_may_be_interrupted_twice(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found, twice = dict[str, int](), 0
    for number in range(0, 200, 9):
        for gap in range(0, 60, 7):
            with VirtualEmulator(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
                lines = Twice(number, gap)
                with pytest.raises(Interrupt):
                    lines.during(lambda client=client: client.queue.submit(LAKE, label="order-1"))
                twice += lines.hits == 2
                state = check(client, emulator)
                found[state] = found.get(state, 0) + 1
    assert twice > 50
    assert set(found) >= {"nothing", "intended", "refused", "accepted"}


class Watched(SQLiteJournal):
    """A journal that tells of each write, before and after it."""

    def __init__(self, path: Any, tell: Callable[[], None]) -> None:
        super().__init__(path)
        self._tell = tell

    def insert(self, record: JobRecord) -> bool:
        self._tell()
        try:
            return super().insert(record)
        finally:
            self._tell()

    def replace(self, record: JobRecord) -> bool:
        self._tell()
        try:
            return super().replace(record)
        finally:
            self._tell()


class Moment:
    """Cancels a task at one of the moments that it is told of, in any thread, and knows how many there were.

    Attributes:
        count: The moments so far.
    """

    def __init__(self, at: int) -> None:
        self.count, self._at = 0, at
        self.task: asyncio.Task[Any] | None = None

    def __call__(self) -> None:
        self.count += 1
        if self.count - 1 == self._at and self.task is not None:
            cancelled = threading.Event()
            self.task.get_loop().call_soon_threadsafe(self._cancel, self.task, cancelled)
            assert cancelled.wait(10)

    def _cancel(self, task: asyncio.Task[Any], cancelled: threading.Event) -> None:
        task.cancel()
        task.get_loop().call_soon(cancelled.set)  # the task has been told by then


def test_a_task_may_be_cancelled_at_any_write_or_request(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def cancelled(client: Any, moment: Moment) -> bool:
        moment.task = asyncio.ensure_future(client.aio.queue.submit(LAKE, label="order-1"))
        await asyncio.wait([moment.task])
        return moment.task.cancelled()

    found = list[str]()
    while True:
        journal = Watched(tmp_path / f"{len(found)}.db", moment := Moment(len(found)))
        with (
            VirtualEmulator(renderer=render) as emulator,
            emulator.client(journal=journal, transport=(transport := Counting(emulator, moment))) as client,
        ):
            if not asyncio.run(cancelled(client, moment)):
                break
            moment.task = None
            transport.wait()
            found.append(check(client, emulator))
    assert found[:5] == ["refused"] * 5, "until it is sent: around the claim and the note about that, and before it"
    assert found[5] == "unknown", "after the request, whose response is lost"
    assert set(found[6:]) == {"accepted"}


class Late(EmulatorTransport):
    """A transport that heeds nothing, and is slow to begin."""

    def __init__(self, emulator: VirtualEmulator) -> None:
        super().__init__(emulator)
        self.begun, self.go_on, self.errors = threading.Event(), threading.Event(), list[Exception]()

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        self.begun.set()
        self.go_on.wait(10)
        try:
            return super().send(request, timeout=timeout)
        except Exception as error:
            self.errors.append(error)
            raise


def test_a_thread_that_a_cancelled_task_left_behind_sends_nothing() -> None:
    async def cancelled(client: Any) -> None:
        task = asyncio.ensure_future(client.queue.submit(LAKE, label="order-1"))
        while not transport.begun.is_set():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert (await client.jobs.get("order-1")).state == "refused"
        transport.go_on.set()
        while not transport.errors:
            await asyncio.sleep(0)

    with (
        VirtualEmulator() as emulator,
        emulator.client(journal=MemoryJournal(), transport=(transport := Late(emulator))) as client,
    ):
        asyncio.run(cancelled(client.aio))
        assert posts(emulator) == 0
        assert [str(error) for error in transport.errors] == ["The caller stopped waiting; nothing was sent."]


# transports


@pytest.mark.parametrize("transport", ["requests", "urllib3", "aiohttp", "threaded"])
@pytest.mark.parametrize("fault", [None, "drop-after", "status:503,on=submit,retry_after=0"])
def test_a_label_is_submitted_once_over_each_transport(transport: str, fault: str | None, tmp_path: Any) -> None:
    async def submit(label: str) -> str:
        try:
            async with decart.AsyncDecartClient(
                "dct_test",
                base_url=server.url,
                transport={"threaded": "requests"}.get(transport, transport),
                journal=tmp_path / "jobs.db",
            ) as client:
                return (await client.queue.submit(LAKE, label=label)).job_id
        except SubmitOutcomeUnknownError:
            return "unknown"

    with Emulator(renderer=render) as emulator, EmulatorServer(emulator) as server:
        if fault is not None:
            server.emulator.faults.add(fault)
        if transport in ("requests", "urllib3"):
            with DecartClient(
                "dct_test", base_url=server.url, transport=transport, journal=tmp_path / "jobs.db"
            ) as client:
                try:
                    first = client.queue.submit(LAKE, label="order-1").job_id
                except SubmitOutcomeUnknownError:
                    first = "unknown"
        else:
            first = asyncio.run(submit("order-1"))
        assert asyncio.run(submit("order-1")) == first
        assert (first == "unknown") is (fault == "drop-after")
        assert len(accepted(server.emulator)) == 1
        assert posts(server.emulator) == (2 if fault == "status:503,on=submit,retry_after=0" else 1)


def test_a_wait_for_another_thread_may_be_cancelled(tmp_path: Any) -> None:
    sending, go_on, cancel = threading.Event(), threading.Event(), threading.Event()

    def first(progress: Any) -> None:
        sending.set()
        go_on.wait(10)

    with VirtualEmulator(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        thread = threading.Thread(target=client.queue.submit, args=[LAKE], kwargs={"label": "x", "progress": first})
        thread.start()
        sending.wait(10)
        cancel.set()
        with pytest.raises(WaitCancelledError):
            client.queue.submit_and_poll(LAKE, label="x", cancel=cancel)
        assert [record.state for record in client.jobs.pending()] == ["sending"]
        go_on.set()
        thread.join()
        assert posts(emulator) == 1
