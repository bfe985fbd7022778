"""What the journal of a client holds, and what happens when it cannot be used."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from support.labelled import LAKE, BothSides, Failing, accepted, posts, states, submitted, writes_of

from decart import (
    AsyncDecartClient,
    DecartClient,
    EventHook,
    InvalidInputError,
    JournalError,
    MemoryJournal,
    PollPolicy,
    QueueSubmitError,
    RetryPolicy,
    SQLiteJournal,
    SubmitOutcomeUnknownError,
    WaitCancelledError,
    models,
)

ONCE = RetryPolicy(attempts=1)
SECRET = "A secret meadow"
HIDDEN: dict[str, Any] = {"model": models.video("lucy-pro-t2v"), "prompt": SECRET, "seed": 42}


pytestmark = pytest.mark.usefixtures("side")


# before the submit


@pytest.mark.parametrize("when", ["latest", "insert", "sending"])
def test_a_journal_that_fails_before_the_submit_lets_nothing_be_sent(when: str) -> None:
    rules = {"latest": lambda method, value: method == "latest", "insert": writes_of("intended")}
    journal = Failing(rules.get(when, writes_of("sending")))
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        with pytest.raises(JournalError, match="The disk is full") as caught:
            client.queue.submit(LAKE, label="order-1")
        assert caught.value.job_id is None
        assert posts(emulator) == 0
        journal.fails = lambda method, value: False
        client.queue.submit(LAKE, label="order-1")
        assert states(client)["order-1"][-1] == "accepted"
        assert posts(emulator) == 1


@pytest.mark.parametrize("state", ["intended", "sending"])
def test_a_write_that_is_done_and_reported_as_failed_leaves_no_label_behind(state: str) -> None:
    journal = Failing(writes_of(state))
    journal.after = True
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        with pytest.raises(JournalError):
            client.queue.submit(LAKE, label="order-1")
        assert states(client) == {"order-1": ["refused"]}
        journal.fails = lambda method, value: False
        client.queue.submit(LAKE, label="order-1")
        assert posts(emulator) == 1


def test_a_file_that_cannot_be_a_journal_stops_the_submit(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_bytes(b"not a database" * 100)
    with BothSides() as emulator, emulator.client(journal=tmp_path / "jobs.db") as client:
        with pytest.raises(JournalError, match="not an SQLite database"):
            client.queue.submit(LAKE, label="order-1")
        assert posts(emulator) == 0


# after the submit


def test_the_id_of_a_job_is_written_until_it_is() -> None:
    journal = Failing()
    left = [3]

    def fails(method: str, value: Any) -> bool:
        if writes_of("accepted")(method, value) and left[0]:
            left[0] -= 1
            return True
        return False

    journal.fails = fails
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        job = client.queue.submit(LAKE, label="order-1")
        assert emulator.clock.sleeps == pytest.approx([0.2, 0.4, 0.8])
        record = client.jobs.get("order-1")
        assert record is not None
        assert (record.state, record.job_id) == ("accepted", job.job_id)


@pytest.mark.parametrize("error", [JournalError("The disk is full."), RuntimeError("The disk is full.")])
def test_an_id_that_cannot_be_written_is_in_the_error_and_the_log_and_written_later(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Failing(writes_of("accepted"))
    journal.error = error
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        with pytest.raises(JournalError, match="was accepted and is billed.*The disk is full") as caught:
            client.queue.submit_and_poll(LAKE, label="order-1")
        assert [caught.value.job_id] == accepted(emulator)
        assert emulator.clock.sleeps == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2])
        assert caplog.text.count(f"job {caught.value.job_id} was accepted, and the journal could not record it") == 6
        with pytest.raises(type(error)):
            client.queue.submit(LAKE, label="order-2")
        journal.fails = lambda method, value: False
        record = client.jobs.get("order-1")
        assert record is not None
        assert (record.state, record.job_id) == ("accepted", caught.value.job_id)
        assert client.queue.submit(LAKE, label="order-1").job_id == caught.value.job_id
        assert posts(emulator) == 1


@pytest.mark.parametrize("works", [True, False])
def test_what_is_left_to_write_is_written_when_the_client_is_closed(
    works: bool, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Failing(writes_of("accepted"))
    with BothSides() as emulator:
        client = emulator.client(journal=journal)
        with pytest.raises(JournalError) as caught:
            client.queue.submit(LAKE, label="order-1")
        if works:
            journal.fails = lambda method, value: False
        client.close()
        found = journal.latest("order-1")
        assert found is not None
        assert found.state == ("accepted" if works else "sending")
        left = f"could not record how these submits ended: 'order-1' (job {caught.value.job_id}). Settle them with"
        assert (left in caplog.text) is not works


@pytest.mark.parametrize(("fault", "state"), [("status:402,on=submit", "refused"), ("drop-after", "unknown")])
def test_an_end_that_cannot_be_written_is_written_with_the_next_use(
    fault: str, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Failing(writes_of("refused", "unknown"))
    with BothSides(faults=fault) as emulator, emulator.client(journal=journal) as client:
        with pytest.raises((QueueSubmitError, SubmitOutcomeUnknownError)):
            client.queue.submit(LAKE, label="order-1")
        assert "the journal could not record how the label 'order-1' ended: The disk is full" in caplog.text
        journal.fails = lambda method, value: False
        assert [record.state for record in journal.select()] == ["sending"]
        assert states(client) == {"order-1": [state]}


@pytest.mark.parametrize("error", [JournalError("The disk is full."), RuntimeError("The disk is full.")])
def test_a_journal_that_fails_later_ends_no_wait(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    journal = Failing(lambda method, value: method == "by_job")
    journal.error = error
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        result = client.queue.submit_and_poll(LAKE, label="order-1")
        assert result.status == "completed"
        assert "the journal could not record what became of job" in caplog.text
        journal.fails = lambda method, value: False
        assert states(client) == {"order-1": ["accepted"]}
        assert [one.record.label for one in client.jobs.resume(save_to=Path.cwd() / "{label}.mp4")] == ["order-1"]


# what is recorded


def test_a_record_follows_its_job(tmp_path: Path) -> None:
    seen: list[tuple[str, str | None]] = []

    def look(_: Any) -> None:
        record = client.jobs.get("order-1")
        assert record is not None
        seen.append((record.state, record.status))

    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        began = emulator.clock.time()
        client.queue.submit_and_poll(LAKE, label="order-1", on_status_change=look, save_to=tmp_path / "lake.mp4")
        assert seen == [("accepted", "pending"), ("accepted", "processing"), ("completed", "completed")]
        record = client.jobs.get("order-1")
        assert record is not None
        assert (record.state, record.saved_to) == ("delivered", str(tmp_path / "lake.mp4"))
        assert record.created_at == began < record.updated_at
        client.queue.result(record.job_id or "")
        assert client.jobs.get("order-1") == record


def test_each_call_that_learns_a_status_records_it(tmp_path: Path) -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        job = client.queue.submit(LAKE, label="order-1")

        def state() -> tuple[str, str | None]:
            record = client.jobs.get("order-1")
            assert record is not None
            return record.state, record.status

        assert state() == ("accepted", None)
        client.queue.status(job)
        assert state() == ("accepted", "pending")
        emulator.clock.sleep(2)
        client.queue.poll_once(job)
        assert state() == ("accepted", "processing")
        emulator.clock.sleep(5)
        client.queue.status(job)
        assert state() == ("completed", "completed")
        client.queue.download(job, tmp_path / "lake.mp4")
        assert state() == ("delivered", "completed")


def test_a_job_of_another_client_is_none_of_its_business() -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        with emulator.client() as other:
            job = other.queue.submit(LAKE)
        assert client.queue.poll(job).status == "completed"
        assert list(client.jobs) == []


@pytest.mark.parametrize("make", [MemoryJournal, lambda **options: SQLiteJournal("jobs.db", **options)])
@pytest.mark.parametrize("keeps", [False, True])
def test_no_prompt_key_or_path_is_recorded_unless_it_is_asked_for(
    make: Any, keeps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    image = tmp_path / "private.png"
    image.write_bytes(b"\x89PNG\r\n")
    still: Any = {"model": models.video("lucy-pro-i2v"), "prompt": SECRET, "data": image}
    fault = {"name": "status", "code": 422, "on": "submit", "detail": f"prompt {SECRET!r} is refused", "times": 2}
    with BothSides(faults=fault) as emulator, emulator.client(journal=make(keep_inputs=keeps)) as client:
        for options in (HIDDEN, still):
            with pytest.raises(QueueSubmitError):
                client.queue.submit(options, label=f"order {len(options)}")
        client.queue.submit_and_poll(HIDDEN, label="order-1")
        client.queue.submit(still, label="order-2")
        records = list(client.jobs)
        text = repr(records) + "".join(str(record.inputs) + str(record.error) + str(record) for record in records)
        assert (SECRET in text) is keeps
        for secret in ("dct_test", "private"):
            assert secret not in text
        record = client.jobs.get("order-1")
        assert record is not None
        assert record.inputs == ({"prompt": SECRET, "seed": 42} if keeps else None)
    client.close()
    if (tmp_path / "jobs.db").exists():
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("jobs.db*"))
        assert (SECRET.encode() in stored) is keeps
        assert b"dct_test" not in stored


def test_a_journal_changes_nothing_of_what_is_reported() -> None:
    class Hook(EventHook):
        def status_changed(self, event: Any) -> None:
            seen.append(event.status)

        def bytes_moved(self, event: Any) -> None:
            seen.append((event.direction, event.done > 0))

    reports = []
    for journal in (None, MemoryJournal()):
        seen: list[Any] = []
        with BothSides() as emulator, emulator.client(journal=journal, event_hooks=[Hook()]) as client:
            client.queue.submit_and_poll(LAKE, progress=lambda progress, seen=seen: seen.append(progress.done > 0))
        reports.append(([one for one in seen if isinstance(one, str)], set(seen)))
    assert reports[0] == reports[1]
    assert len(reports[0][1]) > 5


# the end of a call


def test_a_cancelled_submit_leaves_its_label_free() -> None:
    cancel = threading.Event()
    cancel.set()
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        with pytest.raises(WaitCancelledError):
            client.queue.submit_and_poll(LAKE, label="order-1", cancel=cancel)
        client.queue.submit(LAKE, label="order-1")
        assert states(client)["order-1"][-1] == "accepted"
        assert len(accepted(emulator)) == 1


def test_a_wait_that_ends_early_leaves_its_job_to_others() -> None:
    journal = MemoryJournal()
    with BothSides(faults="job-never-ends") as emulator, emulator.client(journal=journal) as client:
        result = client.queue.submit_and_poll(LAKE, label="order-1", poll=PollPolicy(timeout=5))
        assert result.status == "failed"
        record = client.jobs.get("order-1")
        assert record is not None
        assert (record.state, record.owner) == ("accepted", "")


def test_an_interrupt_after_the_submit_was_accepted_loses_no_id() -> None:
    class Hook(EventHook):
        def status_changed(self, event: Any) -> None:
            raise KeyboardInterrupt

    for works in (True, False):
        journal = Failing(writes_of() if works else writes_of("accepted"))
        with BothSides() as emulator, emulator.client(journal=journal, event_hooks=[Hook()]) as client:
            with pytest.raises(KeyboardInterrupt) as caught:
                client.queue.submit_and_poll(LAKE, label="order-1")
            assert [caught.value.job_id] == accepted(emulator)  # type: ignore[attr-defined]
            assert emulator.clock.sleeps == []
            journal.fails = writes_of()
            record = client.jobs.get("order-1")
            assert (record.state, record.job_id, record.owner) == ("accepted", *accepted(emulator), "")


def test_what_changes_meanwhile_is_not_overwritten() -> None:
    journal, changes = Failing(), {"note", "take"}

    def fails(method: str, value: Any) -> bool:
        if method == "replace" and (what := "take" if value.owner else "note") in changes:
            changes.remove(what)
            record = journal.latest("order-1")
            assert record is not None
            assert MemoryJournal.replace(journal, record.changed(record.updated_at))
        return False

    with BothSides() as emulator, emulator.client(journal=journal) as client:
        job = client.queue.submit(LAKE, label="order-1")
        journal.fails = fails
        client.queue.status(job)
        assert (client.jobs.get("order-1").status, changes) == ("pending", {"take"})
        assert len(client.jobs.resume(save_to=Path.cwd() / "{label}.mp4")) == 1
        assert (states(client), changes) == ({"order-1": ["delivered"]}, set())


def test_what_two_threads_write_again_is_written_once() -> None:
    journal = Failing(writes_of("accepted"))
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        with pytest.raises(JournalError):
            client.queue.submit(LAKE, label="order-1")
        journal.fails = lambda method, value: False
        seen: list[Any] = []

        def fails(method: str, value: Any) -> bool:
            if method == "latest" and not seen:
                seen.append(method)
                seen.append(client.jobs.get("order-1"))  # as another thread would
            return False

        journal.fails = fails
        assert client.jobs.get("order-1") == seen[1]


# the client's own journal


def test_a_journal_of_the_client_is_closed_with_it_and_one_of_the_callers_is_not(tmp_path: Path) -> None:
    class Closes(MemoryJournal):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    journal = Closes()
    with BothSides() as emulator:
        submitted(emulator, journal)
        assert journal.closed == 0
        submitted(emulator, tmp_path / "jobs.db")
        assert [path.name for path in tmp_path.iterdir()] == ["jobs.db"]  # SQLite deletes the others at the end


def test_what_cannot_be_a_journal_or_prices_is_refused() -> None:
    for kind in (DecartClient, AsyncDecartClient):
        for journal in (5, b"jobs.db", object(), {"PASSWORD": "hunter2"}):
            with pytest.raises(
                InvalidInputError, match=f"path of a file.* not of type {type(journal).__name__}"
            ) as caught:
                kind("dct_test", journal=journal)  # type: ignore[arg-type]
            assert "hunter2" not in str(caught.value)
        with pytest.raises(InvalidInputError, match="journal is the class MemoryJournal; pass an object of it"):
            kind("dct_test", journal=MemoryJournal)  # type: ignore[arg-type]
        for prices in (5, "lucy-pro-t2v", [0.5]):
            with pytest.raises(InvalidInputError, match="prices must be a dict"):
                kind("dct_test", journal=MemoryJournal(), prices=prices)  # type: ignore[arg-type]


def test_a_client_without_a_journal_says_nothing_of_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with BothSides() as emulator, emulator.client() as client:
        client.queue.submit_and_poll(LAKE)
    assert "journal" not in caplog.text
