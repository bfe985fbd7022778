"""Steps of a job that other calls act on, too, in a journal that fails, or that another version has written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.labelled import (
    ANOTHER,
    LAKE,
    BothSides,
    Failing,
    accepted,
    content,
    leave,
    posts,
    record_of,
    render,
    states,
)
from support.steps import POLL, Skewed, checks, steps_to_the_end

from decart import (
    DecartSDKError,
    InvalidInputError,
    JobStep,
    JournalError,
    MemoryJournal,
    PollPolicy,
    RetryPolicy,
    SQLiteJournal,
)
from decart.journal.owners import Claim
from decart.journal.rows import COLUMNS, from_row, to_row

VIDEO = content(LAKE["prompt"])
GIVEN: dict[str, Any] = {"save_to": "lake.mp4", "poll": POLL}


pytestmark = pytest.mark.usefixtures("side")


# a journal that fails


def made_with_a_failure_at(number: int, method: str, *, after: bool) -> bool:
    """Make all steps of a job, and one again in which this call of a method fails; return whether there was one."""
    journal, errors = Failing(), 0
    journal.after = after
    journal.fails = lambda name, value: name == method and journal.calls.count(method) == number
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:
        token, wait = None, 0.0
        while wait is not None:
            emulator.clock.advance(wait)
            try:
                step = client.jobs.step("order-1", LAKE, token=token, **GIVEN)
            except JournalError:
                errors += 1
            else:
                token, wait = step.token, step.wait
        has_failed = journal.calls.count(method) >= number
        journal.fails = lambda name, value: False
        assert errors <= 1
        assert (record_of(client).state, posts(emulator)) == ("delivered", 1)
        assert Path("lake.mp4").read_bytes() == VIDEO
        Path("lake.mp4").unlink()
    return has_failed


@pytest.mark.parametrize("method", ["insert", "replace", "latest", "by_job"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_step_whose_journal_fails_at_any_call_can_be_made_again(method: str, after: bool) -> None:
    number = 1
    while made_with_a_failure_at(number, method, after=after):
        number += 1
    assert number > {"insert": 1, "replace": 7, "latest": 7, "by_job": 2}[method]


def test_an_id_that_cannot_be_recorded_at_once_is_recorded_by_the_next_step() -> None:
    journal = Failing(lambda method, value: method == "replace" and value.state == "accepted")
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:
        with pytest.raises(JournalError) as caught:
            client.jobs.step("order-1", LAKE, **GIVEN)
        assert [caught.value.job_id] == accepted(emulator)
        journal.fails = lambda method, value: False
        emulator.clock.sleeps.clear()
        steps_to_the_end(client, emulator, **GIVEN)
        assert (record_of(client).state, posts(emulator)) == ("delivered", 1)


@pytest.mark.parametrize("owner", ["a living process", ANOTHER])
def test_the_claim_of_a_step_that_could_not_be_released_ends_after_ten_minutes(owner: str) -> None:
    journal, claim = MemoryJournal(), Claim()
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:
        token = client.jobs.step("order-1", LAKE, **GIVEN).token
        emulator.clock.advance(10)
        claimed = {"owner": ANOTHER if owner == ANOTHER else claim.owner, "due_at": emulator.clock.time()}
        first = leave(journal, "completed", **claimed)
        step = client.jobs.step("order-1", LAKE, token=token, **GIVEN)
        assert (step.wait, step.token, step.record) == (30.0, token, first)
        assert client.jobs.sweep(save_to="{label}.mp4") == []
        emulator.clock.advance(600)
        assert client.jobs.step("order-1", LAKE, token=token, **GIVEN).record.state == "delivered"


# other calls


def test_a_job_that_another_call_is_submitting_is_left_to_it() -> None:
    journal, steps = Failing(), list[JobStep]()
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:

        def interfere(method: str, value: Any) -> bool:
            if method == "replace" and value.state == "sending":
                steps.append(client.jobs.step("order-1", LAKE, **GIVEN))
                with pytest.raises(InvalidInputError, match="is intended, and has no job"):
                    client.jobs.step("order-1", **GIVEN)
            return False

        journal.fails = interfere
        client.queue.submit(LAKE, label="order-1")
        [busy] = steps
        assert (busy.record, busy.wait, busy.token, busy.superseded) == (None, 30.0, None, False)
        assert isinstance(busy.error, JournalError)
        steps_to_the_end(client, emulator, **GIVEN)
        assert (record_of(client).state, posts(emulator)) == ("delivered", 1)


@pytest.mark.parametrize("how", ["submit_and_poll", "resume", "pool"])
def test_a_job_that_another_call_waits_for_is_left_to_it(how: str) -> None:
    """The step is made by a callback of the other call, once its wait has begun."""
    steps: list[JobStep] = []
    with BothSides(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        first = client.jobs.step("order-1", LAKE, **GIVEN) if how == "resume" else None
        token = None if first is None else first.token

        def interfere(*_: Any) -> str:
            steps.append(client.jobs.step("order-1", LAKE, token=token, **GIVEN))
            return "other.mp4"

        if how == "resume":
            client.jobs.resume(save_to=interfere)
        elif how == "submit_and_poll":
            client.queue.submit_and_poll(LAKE, label="order-1", save_to="other.mp4", on_status_change=interfere)
        elif BothSides.side == "sync":
            with client.queue.pool() as pool:
                pool.submit(LAKE | {"on_status_change": interfere}, label="order-1", save_to="other.mp4").result()
        else:
            pytest.skip("a pool has no blocking face")
        made = checks(emulator)
        assert {(step.wait, step.superseded, step.error) for step in steps} == {(30.0, False, None)}
        done: list[JobStep] = []
        last = steps_to_the_end(client, emulator, steps[-1].token, on_done=done.append, **GIVEN)[-1]
        assert last == done[0] == JobStep(record=record_of(client))
        assert (record_of(client).state, record_of(client).saved_to) == ("delivered", str(Path("other.mp4").absolute()))
        assert (checks(emulator), posts(emulator)) == (made, 1)


def test_a_wait_that_was_ended_leaves_its_job_to_the_steps() -> None:
    with BothSides(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        token = client.jobs.step("order-1", LAKE, **GIVEN).token
        client.jobs.resume(save_to="{label}.mp4", poll=PollPolicy(timeout=0))
        assert record_of(client).state == "accepted"
        steps_to_the_end(client, emulator, token, **GIVEN)
        assert (record_of(client).state, Path("lake.mp4").read_bytes()) == ("delivered", VIDEO)


@pytest.mark.parametrize("fault", ["", "job-fails:out of memory"])
def test_a_view_that_reads_the_status_does_not_end_the_record(fault: str) -> None:
    with BothSides(renderer=render, faults=[fault] if fault else []) as emulator:
        client, done = emulator.client(journal=MemoryJournal()), list[JobStep]()
        step = client.jobs.step("order-1", LAKE, **GIVEN)
        emulator.clock.advance(60)
        status = client.queue.status(step.record.job_id).status
        assert (record_of(client).state, record_of(client).status) == ("accepted", status)
        client.queue.download(step.record.job_id, "view.mp4") if not fault else None
        assert record_of(client).state == "accepted"
        steps_to_the_end(client, emulator, step.token, on_done=done.append, **GIVEN)
        assert record_of(client).state == ("failed" if fault else "delivered")
        assert len(done) == 1


def test_a_view_that_notes_the_status_during_a_step_does_not_make_it_void() -> None:
    journal, views = Failing(), list[str]()
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:
        step = client.jobs.step("order-1", LAKE, **GIVEN)
        emulator.clock.advance(2)

        def interfere(method: str, value: Any) -> bool:
            if method == "replace" and not views:
                views.append(step.record.job_id)
                client.queue.status(step.record.job_id)
            return False

        journal.fails = interfere
        second = client.jobs.step("order-1", LAKE, token=step.token, **GIVEN)
        assert second.record == record_of(client)
        assert (second.record.steps, second.record.status, second.error) == (2, "processing", None)
        assert len(views) == 1


def test_a_job_that_was_submitted_otherwise_can_be_advanced() -> None:
    with BothSides(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        client.queue.submit(LAKE, label="order-1")
        emulator.clock.advance(2000)
        steps_to_the_end(client, emulator, save_to="lake.mp4")
        assert (record_of(client).state, posts(emulator)) == ("delivered", 1)


def test_a_label_that_was_submitted_anew_supersedes_the_steps_of_its_earlier_job() -> None:
    with BothSides(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        steps = steps_to_the_end(client, emulator, **GIVEN)
        client.queue.submit(LAKE, label="order-1", again=True)
        late = client.jobs.step("order-1", LAKE, token=steps[-2].token, **GIVEN)
        assert (late.superseded, late.wait, late.record) == (True, None, record_of(client))
        assert checks(emulator) == sum(step.wait is not None for step in steps)
        steps_to_the_end(client, emulator, **GIVEN)
        assert states(client) == {"order-1": ["delivered", "delivered"]}
        assert posts(emulator) == 2


def test_a_job_that_another_call_submitted_after_a_refusal_is_taken_up() -> None:
    with BothSides(renderer=render, faults="status:429,on=submit") as emulator:
        client = emulator.client(journal=MemoryJournal())
        token = client.jobs.step("order-1", LAKE, **GIVEN).token
        client.queue.submit(LAKE, label="order-1")
        steps_to_the_end(client, emulator, token, **GIVEN)
        assert states(client) == {"order-1": ["refused", "delivered"]}
        assert posts(emulator) == 2


def test_steps_of_a_record_that_was_pruned_end() -> None:
    journal = Failing()
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:
        step = client.jobs.step("order-1", LAKE, **GIVEN)

        def interfere(method: str, value: Any) -> bool:
            if method == "replace":
                journal.delete(float("inf"), ["accepted"])
            return False

        journal.fails = interfere
        assert client.jobs.step("order-1", LAKE, token=step.token, **GIVEN).superseded


@pytest.mark.parametrize("skew", [-600.0, 600.0])
def test_a_scheduler_without_a_token_waits_for_its_turn_whatever_its_clock_says(skew: float) -> None:
    with BothSides(renderer=render) as emulator:
        journal, transport = MemoryJournal(), Skewed(emulator)
        transport.skew = skew
        client, other = emulator.client(journal=journal), emulator.client(journal=journal, transport=transport)
        token = client.jobs.step("order-1", LAKE, **GIVEN).token
        second = other.jobs.step("order-1", LAKE, **GIVEN)
        assert second.wait == pytest.approx(1.0, abs=0.01)
        steps_to_the_end(client, emulator, token, **GIVEN)
        steps_to_the_end(other, emulator, second.token, **GIVEN)
        assert (record_of(client).state, posts(emulator)) == ("delivered", 1)
        assert checks(emulator) <= 7


@pytest.mark.parametrize("skew", [-600.0, 0.0])
def test_a_task_that_was_delivered_twice_comes_back_soon_whatever_its_clock_says(skew: float) -> None:
    with BothSides(renderer=render) as emulator:
        journal, transport = MemoryJournal(), Skewed(emulator)
        transport.skew = skew
        client, other = emulator.client(journal=journal), emulator.client(journal=journal, transport=transport)
        token = client.jobs.step("order-1", LAKE, **GIVEN).token
        emulator.clock.advance(1)
        client.jobs.step("order-1", LAKE, token=token, **GIVEN)
        again = other.jobs.step("order-1", LAKE, token=token, **GIVEN)
        assert again.wait == pytest.approx(11.0, abs=0.01)


# versions


def test_a_record_of_an_older_version_can_be_advanced() -> None:
    journal = MemoryJournal()
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:
        client.queue.submit(LAKE, label="order-1")
        row = to_row(record_of(client))
        details = json.loads(row["details"])
        old = {name: value for name, value in details.items() if name not in ("steps", "due_at", "poll")}
        record = from_row([(row | {"details": json.dumps(old)})[name] for name in COLUMNS])
        assert record == record_of(client)


def test_a_row_of_a_newer_version_is_an_error() -> None:
    with BothSides() as emulator, emulator.client(journal=SQLiteJournal("jobs.db")) as client:
        client.queue.submit(LAKE, label="order-1")
        row = to_row(record_of(client))
        newer = json.loads(row["details"]) | {"mood": 5}
        with pytest.raises(ValueError, match="a newer version of this package has written mood"):
            from_row([(row | {"details": json.dumps(newer)})[name] for name in COLUMNS])


@pytest.mark.parametrize("poll", [{}, {"job_id": "another"}, {"job_id": 5, "policy": "slow"}])
def test_a_wait_that_another_version_has_written_begins_again(poll: dict[str, Any]) -> None:
    journal = MemoryJournal()
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:
        step = client.jobs.step("order-1", LAKE, **GIVEN)
        leave(journal, "accepted", poll=poll)
        last = steps_to_the_end(client, emulator, step.token, **GIVEN)[-1]
        assert last.record is not None
        assert attrs.evolve(last.record, revision=0) == attrs.evolve(record_of(client), revision=0)
        assert record_of(client).state == "delivered"


# a journal that has lost a job


@pytest.mark.parametrize("how", ["pruned", "another journal", "an older copy"])
def test_a_token_never_submits_a_job_that_the_journal_has_lost(how: str) -> None:
    journal, older, copies = MemoryJournal(), Failing(), list[JobStep]()
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:
        steps = steps_to_the_end(client, emulator, **GIVEN)
        emulator.clock.advance(1)
        if how == "pruned":
            assert client.jobs.prune(older_than=0) == 1
        other = emulator.client(journal=journal if how == "pruned" else older)
        if how == "an older copy":
            older.insert(attrs.evolve(record_of(client), revision=0, state="refused", job_id=None, steps=0))
        for token in (step.token for step in steps if step.token):
            with pytest.raises(InvalidInputError, match="'order-1' had a job when this token was returned"):
                other.jobs.step("order-1", LAKE, token=token, on_done=copies.append, **GIVEN)
        assert (posts(emulator), copies) == (1, [])
        other.jobs.step("order-1", LAKE, **GIVEN)
        assert posts(emulator) == 2


@pytest.mark.parametrize("fault", ["status:402,on=submit", "status:429,on=submit", "drop-after"])
def test_a_late_token_does_not_submit_a_job_for_which_the_label_was_submitted_anew(fault: str) -> None:
    with BothSides(renderer=render) as emulator:
        client = emulator.client(journal=MemoryJournal(), retry=RetryPolicy(attempts=1))
        steps = steps_to_the_end(client, emulator, **GIVEN)
        emulator.faults.add(fault)
        with pytest.raises(DecartSDKError):
            client.queue.submit(LAKE, label="order-1", again=True)
        late = client.jobs.step("order-1", LAKE, token=steps[0].token, **GIVEN)
        assert (late.superseded, late.wait, late.record, late.error) == (True, None, record_of(client), None)
        assert posts(emulator) == 2
