"""A submit that was refused and waits to be repeated: whatever ends it meanwhile, there is nothing to settle."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.journals import exit_code, in_child
from support.labelled import ANOTHER, LAKE, BothSides, Failing, accepted, posts, record_of, render, states, writes_of

from decart import (
    ConnectError,
    DecartClient,
    EventHook,
    JobRecord,
    JournalError,
    MemoryJournal,
    SQLiteJournal,
    SubmitOutcomeUnknownError,
    TransportError,
    WaitCancelledError,
)
from decart.emulator import Emulator, EmulatorServer, EmulatorTransport, VirtualEmulator
from decart.transports import RequestsTransport
from decart.transports.base import HttpRequest, HttpResponse, Timeout

BUSY = "status:503,on=submit,retry_after=1"
LIMITED = "status:429,on=submit"

Tell = Callable[[str], None]


@pytest.fixture(params=["sync", "async"])
def side(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(BothSides, "side", request.param)
    return str(request.param)


# a process that is killed


class Telling(RequestsTransport):
    """Tells of each request, response and pause, and takes no time for the latter.

    Attributes:
        failure: Raised in place of the first request; after there was a connection, unless it says that there was none.
    """

    def __init__(self, tell: Tell, failure: TransportError | None = None) -> None:
        super().__init__()
        self._tell, self.failure = tell, failure

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        self._tell("request")
        failure, self.failure = self.failure, None
        if failure is not None:
            if request.may_start is not None and not isinstance(failure, ConnectError):
                request.may_start()
            raise failure
        response = super().send(request, timeout=timeout)
        self._tell("response")
        return response

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        self._tell("pause")


class Watched(SQLiteJournal):
    """Tells of each write, before and after it."""

    def __init__(self, path: Path, tell: Tell) -> None:
        super().__init__(path)
        self._tell = tell

    def insert(self, record: JobRecord) -> bool:
        return self._told(record, super().insert)

    def replace(self, record: JobRecord) -> bool:
        return self._told(record, super().replace)

    def _told(self, record: JobRecord, write: Callable[[JobRecord], bool]) -> bool:
        self._tell(f"write {record.state}")
        written = write(record)
        self._tell(record.state)
        return written


class Killed:
    """Submits a label in a process that is killed at one of the moments that it is told of.

    Attributes:
        moments: Those until then.
        survived: Whether there was no such moment.
    """

    def __init__(self, url: str, folder: Path, at: int | str, side: str, failure: TransportError | None = None) -> None:
        self._url, self._at, self._side, self._failure = url, at, side, failure
        folder.mkdir()
        self.journal, self._notes = folder / "jobs.db", folder / "moments"
        self._notes.touch()
        code = exit_code(in_child(self._submit))
        assert code in (0, -signal.SIGKILL)
        self.moments, self.survived = self._notes.read_text().splitlines(), code == 0

    def _submit(self) -> bool:
        transport = Telling(self._tell, self._failure)
        journal = Watched(self.journal, self._tell)
        with DecartClient("dct_test", base_url=self._url, transport=transport, journal=journal) as client:
            if self._side == "sync":
                client.queue.submit(LAKE, label="order-1")
            else:
                asyncio.run(client.aio.queue.submit(LAKE, label="order-1"))
        return True

    def _tell(self, moment: str) -> None:
        with self._notes.open("a") as notes:
            notes.write(f"{moment}\n")
        if self._at in (moment, len(self._notes.read_text().splitlines()) - 1):
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def server() -> Iterator[EmulatorServer]:
    with Emulator(renderer=render) as emulator, EmulatorServer(emulator) as server:
        yield server


forks = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="only where there is fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def submit_after(killed: Killed, server: EmulatorServer) -> str:
    """Submit the label of a process that was killed, and return in which state it was."""
    with DecartClient("dct_test", base_url=server.url, journal=killed.journal) as client:
        found = client.jobs.get("order-1")
        state = "nothing" if found is None else found.state
        before = accepted(server.emulator)
        server.emulator.faults.clear()
        if state == "unknown":
            with pytest.raises(SubmitOutcomeUnknownError):
                client.queue.submit(LAKE, label="order-1")
            client.jobs.settle("order-1", job_id=before[0] if before else None)
        elif state == "intended":
            assert client.jobs.pending() == []
        job = client.queue.submit(LAKE, label="order-1")
        assert accepted(server.emulator) == [job.job_id]
    return state


class TestAProcessThatIsKilled:
    pytestmark = forks

    @pytest.mark.parametrize(
        "failure",
        [
            BUSY,
            LIMITED,
            ConnectError("No connection."),
            TransportError("The connection broke first.", may_have_been_sent=False),
        ],
    )
    def test_while_it_waits_to_repeat_a_submit_leaves_nothing_to_settle(
        self, failure: Any, side: str, server: EmulatorServer, tmp_path: Path
    ) -> None:
        if isinstance(failure, str):
            server.emulator.faults.add(failure)
        error = None if isinstance(failure, str) else failure
        killed = Killed(server.url, tmp_path / "killed", "pause", side, error)
        assert killed.moments[-1] == "pause"
        assert submit_after(killed, server) == "intended"

    def test_at_any_moment_leaves_a_record_that_says_how_far_it_came(
        self, side: str, server: EmulatorServer, tmp_path: Path
    ) -> None:
        for number in range(30):
            server.emulator.requests.clear()
            server.emulator.faults.clear()
            server.emulator.faults.add(BUSY)
            killed = Killed(server.url, tmp_path / str(number), number, side)
            if killed.survived:
                break
            written = [moment for moment in killed.moments if moment in ("intended", "sending", "accepted")]
            last = written[-1] if written else "nothing"
            assert submit_after(killed, server) == ("unknown" if last == "sending" else last)
        assert killed.survived
        assert [moment for moment in killed.moments if not moment.startswith("re")] == [
            *("write intended", "intended", "write sending", "sending", "write intended", "intended"),
            "pause",
            *("write sending", "sending", "write accepted", "accepted"),
        ]


# writes


class Refusing(EmulatorTransport):
    """Notes what is on record during each pause, and what else is to happen then."""

    def __init__(self, emulator: VirtualEmulator, pause: Callable[[], None]) -> None:
        super().__init__(emulator)
        self._pause = pause

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        self._pause()
        super().sleep(seconds, cancel)


@pytest.mark.parametrize(("refusals", "replaced"), [(0, 2), (1, 4), (2, 6)])
def test_only_a_submit_that_is_repeated_costs_more_writes(refusals: int, replaced: int, side: str) -> None:
    journal = Failing()
    with BothSides(faults=[LIMITED] * refusals) as emulator, emulator.client(journal=journal) as client:
        client.queue.submit(LAKE, label="order-1")
        assert (journal.calls.count("insert"), journal.calls.count("replace")) == (1, replaced)
        assert posts(emulator) == refusals + 1


@pytest.mark.parametrize("state", ["intended", "sending"])
def test_a_journal_that_fails_after_a_refusal_lets_nothing_more_be_sent(state: str, side: str) -> None:
    journal = Failing()
    with BothSides(faults=LIMITED) as emulator, emulator.client(journal=journal) as client:
        journal.fails = lambda method, value: writes_of(state)(method, value) and posts(emulator) > 0
        with pytest.raises(JournalError, match="The disk is full"):
            client.queue.submit(LAKE, label="order-1")
        assert posts(emulator) == 1
        journal.fails = lambda method, value: False
        assert states(client) == {"order-1": ["refused"]}
        client.queue.submit(LAKE, label="order-1")
        assert len(accepted(emulator)) == 1


def test_a_label_that_somebody_else_takes_during_the_pause_is_left_to_them(side: str) -> None:
    journal = MemoryJournal()

    def take() -> None:
        record = journal.latest("order-1")
        assert record is not None
        assert journal.replace(record.changed(record.updated_at, state="sending", owner=ANOTHER))

    with (
        BothSides(faults=LIMITED) as emulator,
        emulator.client(journal=journal, transport=Refusing(emulator, take)) as client,
    ):
        with pytest.raises(JournalError, match="Another process has changed the record"):
            client.queue.submit(LAKE, label="order-1")
        assert posts(emulator) == 1
        assert record_of(client).owner == ANOTHER


def test_a_submit_that_is_cancelled_during_the_pause_is_refused(side: str) -> None:
    cancel = threading.Event()

    class Hook(EventHook):
        def retry(self, event: Any) -> None:
            cancel.set()

    journal = Failing()
    with BothSides(faults=LIMITED) as emulator, emulator.client(journal=journal, event_hooks=[Hook()]) as client:
        with pytest.raises(WaitCancelledError, match="nothing was sent or billed"):
            client.queue.submit_and_poll(LAKE, label="order-1", cancel=cancel)
        assert (posts(emulator), states(client)) == (1, {"order-1": ["refused"]})
        assert journal.calls.count("replace") == 3, "sending, intended, refused"


# pools and steps, whose attempts are submits of their own


def test_nothing_is_on_its_way_while_a_pool_or_the_next_step_waits() -> None:
    journal, seen = MemoryJournal(), set[str]()

    def note() -> None:
        seen.update(record.state for record in journal.select() if record.job_id is None)

    with (
        VirtualEmulator(faults=[LIMITED, BUSY], renderer=render) as emulator,
        emulator.client(journal=journal, transport=Refusing(emulator, note)) as client,
    ):
        with client.queue.pool(workers=1) as pool:
            assert pool.submit(LAKE, label="order-1").result().status == "completed"
        assert seen == {"refused"}
        emulator.faults.add(LIMITED)
        step = client.jobs.step("order-2", LAKE)
        assert (step.wait is not None, record_of(client, "order-2").state) == (True, "refused")
        client.jobs.step("order-2", LAKE, token=step.token)
        assert len(accepted(emulator)) == 2
