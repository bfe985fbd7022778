"""``client.jobs``: what is recorded, and what is unfinished."""

from __future__ import annotations

import asyncio
import re
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from IPython.core.formatters import DisplayFormatter
from support.labelled import (
    ANOTHER,
    LAKE,
    OCEAN,
    BothSides,
    Failing,
    leave,
    posts,
    record_of,
    states,
    submitted,
    unknown,
)

from decart import (
    DecartClient,
    InvalidInputError,
    JobRecord,
    JournalError,
    MemoryJournal,
    PollPolicy,
    QueueStatusError,
    RetryPolicy,
    SQLiteJournal,
    WaitCancelledError,
    models,
)

ONCE = RetryPolicy(attempts=1)


pytestmark = pytest.mark.usefixtures("side")


# what is listed


def test_records_are_found_by_what_they_are() -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        for number in range(6):
            client.queue.submit(LAKE if number % 2 else OCEAN, label=f"{'ab'[number % 2]}-{number}")
            emulator.clock.sleep(10)
        client.queue.poll(record_of(client, "a-2").job_id)
        began = record_of(client, "a-0").created_at

        def labels(**filters: Any) -> list[str]:
            return [record.label for record in client.jobs.select(**filters)]

        assert [record.label for record in client.jobs] == labels() == ["a-0", "b-1", "a-2", "b-3", "a-4", "b-5"]
        assert labels(states=["delivered"]) == ["a-2"]
        assert labels(label_prefix="b-") == ["b-1", "b-3", "b-5"]
        assert labels(model="lucy-2.5") == []
        assert labels(since=began + 35) == labels(since=datetime.fromtimestamp(began + 35, UTC)) == ["a-4", "b-5"]
        assert labels(states=["accepted"], label_prefix="a", since=began + 1) == ["a-4"]
        assert labels(newest_first=True, limit=2) == ["b-5", "a-4"]
        assert labels(limit=4) == ["a-0", "b-1", "a-2", "b-3"]
        assert labels(limit=0) == []
        assert client.jobs.get("a") is None
        assert len(client.jobs.pending()) == 5


@pytest.mark.parametrize(
    "filters",
    [{"states": "accepted"}, {"states": ["done"]}, {"since": "2026"}, {"since": True}, {"label_prefix": None}]
    + [{"model": models.video("lucy-pro-t2v")}, {"limit": -1}, {"limit": True}, {"limit": "20"}],
)
def test_a_filter_that_cannot_be_one_is_refused(filters: Any) -> None:
    with (
        BothSides() as emulator,
        emulator.client(journal=MemoryJournal()) as client,
        pytest.raises(InvalidInputError),
    ):
        client.jobs.select(**filters)


def test_many_records_are_read_in_pages() -> None:
    journal = MemoryJournal()
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        client.queue.submit(LAKE, label="order-1")
        record = record_of(client)
        for number in range(2500):
            journal.insert(attrs.evolve(record, label=f"x-{number:04}", job_id=f"j{number}"))
        assert len(list(client.jobs)) == len(client.jobs.select()) == 2501
        assert client.jobs.select(label_prefix="x")[2000].label == "x-2000"
        assert [each.label for each in client.jobs.select(limit=1500, newest_first=True)][-1] == "x-1000"

        async def count() -> int:
            return len([record async for record in client.aio.jobs])

        assert asyncio.run(count()) == 2501


def test_what_is_under_way_is_pending_and_what_never_left_is_not() -> None:
    journal = MemoryJournal()
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        submitted(emulator, journal)
        leave(journal, "intended", job_id=None, owner="")
        assert client.jobs.pending() == []
        leave(journal, "intended", job_id=None, owner=ANOTHER)
        assert len(client.jobs.pending()) == 1


def test_a_client_without_a_journal_has_no_jobs() -> None:
    with BothSides() as emulator, emulator.client() as client:
        with pytest.raises(InvalidInputError, match=r"client.jobs needs a journal: write DecartClient\(journal="):
            client.jobs.get("order-1")
        assert shown(client.jobs) is None


def shown(value: Any) -> str | None:
    """Return what a notebook shows of a value, if it is more than its text."""
    html: str | None = DisplayFormatter().format(value)[0].get("text/html")
    return html


def test_a_notebook_shows_a_table() -> None:
    journal = MemoryJournal()
    with BothSides() as emulator, emulator.client(journal=journal, prices={"lucy-pro-t2v": 0.5}) as client:
        client.queue.submit_and_poll(LAKE, label="<b>order</b>", save_to="lake.mp4")
        client.queue.submit_and_poll(LAKE, label="<b>order</b>", save_to="lake.mp4", again=True)
        client.queue.submit(OCEAN, label="order-1")
        jobs = client.jobs if isinstance(client, DecartClient) else client.aio.jobs
        html = shown(jobs)
        assert html == shown(client.jobs.select()) is not None
        assert re.findall("<th>(.*?)</th>", html) == [
            "label", "state", "model", "job", "error or status", "created", "saved to", "cost",
        ]  # fmt: skip
        rows = [re.findall("<td>(.*?)</td>", row) for row in html.split("<tr>")[2:]]
        assert [row[:3] for row in rows] == [
            ["&lt;b&gt;order&lt;/b&gt;", "delivered", "lucy-pro-t2v"],
            ["&lt;b&gt;order&lt;/b&gt; (2)", "delivered", "lucy-pro-t2v"],
            ["order-1", "accepted", "lucy-pro-t2v"],
        ]
        assert [row[6:] for row in rows] == [[str(Path("lake.mp4").absolute()), "0.5"]] * 2 + [["", "0.5"]]
        assert all(re.fullmatch(r"[\d-]+ [\d:]+ UTC", row[5]) for row in rows)
        assert [row[4] for row in rows] == ["completed", "completed", ""]
        record = record_of(client)
        for number in range(1200):
            journal.insert(attrs.evolve(record, label=f"x-{number}", created_at=number, job_id=None, cost=None))
        assert str(shown(jobs)).count("<tr>") == 21
        assert "<td>order-1</td>" in str(shown(jobs))


# after a crash


@pytest.mark.parametrize("make", [MemoryJournal, lambda: SQLiteJournal("jobs.db")])
def test_resume_waits_for_all_that_is_unfinished_and_saves_it(make: Any) -> None:
    journal = make()
    with BothSides(faults=[]) as emulator:
        with emulator.client(journal=journal, retry=ONCE) as client:
            for label in ("a/b", "a_b", "../../etc/passwd", "東京"):
                client.queue.submit(LAKE, label=label)
            client.queue.submit_and_poll(OCEAN, label="delivered")
            emulator.faults.add("drop-after")
            unknown(client, "unknown", OCEAN)
        Path("videos").mkdir()
        with emulator.client(journal=journal) as client:
            before = posts(emulator)
            done = client.jobs.resume(save_to="videos/{label}.mp4")
            assert {one.record.label: one.error for one in done} == dict.fromkeys(
                ("a/b", "a_b", "../../etc/passwd", "東京")
            )
            names = {path.name for path in Path("videos").iterdir()}
            assert len(names) == 4
            assert {"a_b.mp4", "東京.mp4"} < names
            assert all(one.result.path.parent == Path("videos").absolute() for one in done)
            assert {(one.record.state, one.record.saved_to) for one in done} == {
                ("delivered", str(one.result.path)) for one in done
            }
            assert {record.saved_to for record in client.jobs.select(label_prefix="a")} < {
                str(path.absolute()) for path in Path("videos").iterdir()
            }
            assert client.jobs.resume(save_to="videos/{label}.mp4") == []
            assert [record.label for record in client.jobs.pending()] == ["unknown"]
            assert posts(emulator) == before
        assert [path.name for path in Path().iterdir() if path.suffix == ".mp4"] == []


def test_resume_takes_a_function_and_any_template() -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        job = client.queue.submit(LAKE, label="." + "a" * 199)
        [one] = client.jobs.resume(save_to="{model} {generation} {{x}} {job_id}.mp4")
        assert one.result.path.name == f"lucy-pro-t2v 1 {{x}} {job.job_id}.mp4"
        client.queue.submit(LAKE, label="." + "a" * 199, again=True)
        [one] = client.jobs.resume(save_to=Path("{label}"))
        assert one.result.path.name.startswith("_aaaa")
        assert len(one.result.path.name) == 160
        client.queue.submit(LAKE, label="order-1")
        [one] = client.jobs.resume(save_to=lambda record: f"my {record.label}.mp4")
        assert one.result.path == Path("my order-1.mp4").absolute()


@pytest.mark.parametrize(
    "save_to", ["lake.mp4", "{model}.mp4", "{label}{x}", "{label", "{label.x}", "{0}", "", 5, b"{label}", None]
)
def test_what_would_not_give_each_video_its_file_is_refused(save_to: Any) -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        client.queue.submit(LAKE, label="order-1")
        with pytest.raises(InvalidInputError, match="save_to must be a path with {label} or {job_id}"):
            client.jobs.resume(save_to=save_to)


def test_no_video_takes_the_place_of_another() -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        for label in ("order-1", "order-2"):
            client.queue.submit(LAKE, label=label)
        first, second = client.jobs.resume(save_to=lambda record: "lake.mp4")
        assert (first.error, second.result) == (None, None)
        assert "has the video of another job" in str(second.error)
        assert sorted(state for [state] in states(client).values()) == ["accepted", "delivered"]
        [one] = client.jobs.resume(save_to="{label}.mp4")
        assert one.record.label == second.record.label


def test_resume_reports_what_it_cannot_save_and_continues() -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        fails = client.queue.submit(LAKE, label="a fails")
        emulator.clock.sleep(60)
        emulator.faults.add("job-never-ends")
        client.queue.submit(LAKE, label="b never ends")
        emulator.clock.sleep(60)
        client.queue.submit(LAKE, label="c no folder")
        emulator.clock.sleep(60)
        client.queue.submit(LAKE, label="d succeeds")
        record = record_of(client, "a fails")
        emulator.faults.add("status:404,on=status,times=99")
        found = {"c no folder": "nowhere/c.mp4"}

        def target(record: JobRecord) -> str:
            if record.label == "a fails":
                return f"{record.label}.mp4"
            emulator.faults.clear()
            return found.get(record.label, f"{record.label}.mp4")

        done = {one.record.label: one for one in client.jobs.resume(save_to=target, poll=PollPolicy(timeout=30))}
        assert isinstance(done["a fails"].error, QueueStatusError)
        assert done["a fails"].error.job_id == fails.job_id == record.job_id
        assert done["b never ends"].result.timed_out
        assert isinstance(done["c no folder"].error, InvalidInputError)
        assert done["d succeeds"].result.path.stat().st_size
        assert {label: one for label, [one] in states(client).items()} == {
            "a fails": "accepted",
            "b never ends": "accepted",
            "c no folder": "accepted",
            "d succeeds": "delivered",
        }
        assert {record.owner for record in client.jobs} == {""}


def test_a_failed_job_is_resumed_once() -> None:
    with BothSides(faults="job-fails") as emulator, emulator.client(journal=MemoryJournal()) as client:
        client.queue.submit(LAKE, label="order-1")
        [one] = client.jobs.resume(save_to="{label}.mp4")
        assert one.result.status == "failed"
        assert client.jobs.resume(save_to="{label}.mp4") == client.jobs.pending() == []


def test_a_cancelled_resume_ends_at_once_and_leaves_the_rest() -> None:
    cancel = threading.Event()

    def target(record: JobRecord) -> str:
        cancel.set()
        return f"{record.label}.mp4"

    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        for label in ("order-1", "order-2"):
            client.queue.submit(LAKE, label=label)
        with pytest.raises(WaitCancelledError):
            client.jobs.resume(save_to=target, cancel=cancel)
        assert len(client.jobs.resume(save_to="{label}.mp4")) == 2


def test_what_another_live_call_waits_for_is_left_to_it() -> None:
    journal = MemoryJournal()
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        seen: list[Any] = []

        def look(_: Any) -> None:
            seen.append(client.jobs.resume(save_to="{label}.mp4"))
            with emulator.client(journal=journal) as other:
                seen.append(other.jobs.resume(save_to="{label}.mp4"))

        client.queue.submit_and_poll(LAKE, label="order-1", on_status_change=look)
        assert seen == [[]] * 6
        client.queue.submit(LAKE, label="order-2")
        client.jobs.resume(save_to=lambda record: look(record) or "lake.mp4")
        assert seen == [[]] * 8


def test_two_that_resume_at_once_share_the_work() -> None:
    journal = MemoryJournal()
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        for number in range(20):
            client.queue.submit(LAKE, label=f"order-{number}")
        done: list[Any] = []

        def resume() -> None:
            with emulator.client(journal=journal) as other:
                done.extend(other.jobs.resume(save_to="{label}.mp4"))

        threads = [threading.Thread(target=resume) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(one.record.label for one in done) == sorted(f"order-{number}" for number in range(20))
        assert all(one.error is None for one in done)


def test_a_job_of_another_machine_is_taken_up_when_its_process_is_silent() -> None:
    journal = MemoryJournal()
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        submitted(emulator, journal)
        leave(journal, "accepted", owner=ANOTHER)
        assert client.jobs.resume(save_to="{label}.mp4") == []
        emulator.clock.sleep(601)
        assert len(client.jobs.resume(save_to="{label}.mp4")) == 1


def test_a_job_of_another_account_or_origin_is_left_to_it() -> None:
    journal = MemoryJournal()
    with BothSides() as emulator:
        submitted(emulator, journal)
        for settings in ({"api_key": "dct_other"}, {"base_url": "http://elsewhere"}):
            with emulator.client(journal=journal, **settings) as client:
                assert client.jobs.resume(save_to="{label}.mp4") == []
        with emulator.client(journal=journal) as client:
            assert len(client.jobs.resume(save_to="{label}.mp4")) == 1


def test_a_journal_that_fails_during_a_resume_is_reported_for_each_job() -> None:
    journal = Failing(lambda method, value: method == "by_job")
    with BothSides() as emulator, emulator.client(journal=journal) as client:
        client.queue.submit(LAKE, label="order-1")
        [one] = client.jobs.resume(save_to="{label}.mp4")
        assert isinstance(one.error, JournalError)
