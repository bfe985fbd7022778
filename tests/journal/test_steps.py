"""`client.jobs.step`: how the steps of one job end, when one scheduler makes them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.labelled import LAKE, BothSides, accepted, content, posts, record_of, render, states
from support.steps import POLL, STEADY, VIDEO, checks, last_of, steps_to_the_end

from decart import (
    InvalidInputError,
    JobStep,
    JobTimeoutError,
    MemoryJournal,
    NotFoundError,
    PollPolicy,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    SQLiteJournal,
    SubmitOutcomeUnknownError,
)

pytestmark = pytest.mark.usefixtures("side")


# where the video goes


@pytest.mark.parametrize("make", [MemoryJournal, lambda: SQLiteJournal("jobs.db")], ids=["memory", "sqlite"])
@pytest.mark.parametrize(
    "save_to",
    ["videos/order-1.mp4", Path("videos/{label}.mp4"), lambda record: f"videos/{record.label}.mp4"],
    ids=["path", "template", "function"],
)
def test_a_job_is_submitted_and_saved_in_steps(make: Any, save_to: Any) -> None:
    with BothSides(renderer=render) as emulator, emulator.client(journal=make()) as client:
        steps = steps_to_the_end(client, emulator, save_to=save_to, poll=POLL)
        last = steps[-1]
        assert last == JobStep(record=record_of(client))
        assert last.record is not None
        assert (last.record.state, last.record.status, last.record.steps) == ("delivered", "completed", len(steps))
        assert last.record.saved_to == str(Path("videos/order-1.mp4").absolute())
        assert Path("videos/order-1.mp4").read_bytes() == VIDEO
        assert [step.wait for step in steps] == [1.0] * (len(steps) - 1) + [None]
        assert [last.record.job_id] == accepted(emulator)


def test_a_video_goes_where_a_function_stores_it() -> None:
    def store(record: Any, path: Path) -> str:
        shutil.move(path, "stored.mp4")
        return f"s3://videos/{record.label}"

    last, _, client = last_of(save_to=None, store=store)
    assert last == JobStep(record=record_of(client))
    assert (record_of(client).state, record_of(client).saved_to) == ("delivered", "s3://videos/order-1")
    assert Path("stored.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize("wrong", [OSError("No bucket."), None, 5, Path("a.mp4")], ids=str)
def test_a_store_that_fails_is_called_again_with_a_complete_video(wrong: Any) -> None:
    outcomes, paths = [wrong, wrong, "s3://videos/1"], list[Path]()

    def store(record: Any, path: Path) -> Any:
        assert path.read_bytes() == VIDEO
        paths.append(path)
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    emulator = BothSides(renderer=render)
    client = emulator.client(journal=MemoryJournal())
    steps = steps_to_the_end(client, emulator, store=store, poll=POLL)
    assert [step.wait for step in steps[-3:]] == [30.0, 30.0, None]
    assert all(
        isinstance(step.error, OSError if isinstance(wrong, OSError) else InvalidInputError) for step in steps[-3:-1]
    )
    assert (record_of(client).state, record_of(client).saved_to) == ("delivered", "s3://videos/1")
    assert not any(path.parent.exists() for path in paths)
    assert checks(emulator) == len(steps) - 3


def test_a_store_that_always_fails_ends_after_20_failures_with_a_job_that_can_be_saved() -> None:
    def store(record: Any, path: Path) -> str:
        failures.append(path)
        raise OSError(f"No room for {path}")

    failures = list[Path]()
    last, emulator, client = last_of(save_to=None, store=store, poll=PollPolicy(timeout=100, jitter=0))
    assert isinstance(last.error, OSError)
    assert len(failures) == 20 and emulator.clock.now() > 100
    assert (record_of(client).state, record_of(client).error) == ("completed", "OSError")
    [resumed] = client.jobs.resume(save_to="{label}.mp4")
    assert (resumed.record.state, Path("order-1.mp4").read_bytes()) == ("delivered", VIDEO)


def test_a_file_that_cannot_be_written_is_tried_again() -> None:
    Path("folder").write_text("in the way")
    emulator = BothSides(renderer=render)
    client = emulator.client(journal=MemoryJournal())
    given: dict[str, Any] = {"save_to": "folder/lake.mp4", "poll": POLL}
    step = client.jobs.step("order-1", LAKE, **given)
    while step.error is None:
        emulator.clock.advance(step.wait)
        step = client.jobs.step("order-1", LAKE, token=step.token, **given)
    assert (isinstance(step.error, InvalidInputError), step.record.state, step.record.owner) == (True, "completed", "")
    Path("folder").unlink()
    steps_to_the_end(client, emulator, step.token, **given)
    assert Path("folder/lake.mp4").read_bytes() == VIDEO


def test_a_video_that_breaks_off_is_continued_by_the_next_step() -> None:
    _, emulator, client = last_of("drop-midway:1000", "drop-midway:3000")
    assert Path("lake.mp4").read_bytes() == VIDEO
    downloads = [request for request in emulator.requests if request.route == "content"]
    assert [bool(request.headers.get("range")) for request in downloads] == [False, True, True]
    assert record_of(client).state == "delivered"


def test_without_a_place_to_save_it_a_job_ends_as_completed() -> None:
    last, emulator, client = last_of(save_to=None)
    assert last == JobStep(record=record_of(client))
    assert record_of(client).state == "completed"
    assert not [request for request in emulator.requests if request.route == "content"]
    steps_to_the_end(client, emulator, save_to="lake.mp4")
    assert (record_of(client).state, Path("lake.mp4").read_bytes()) == ("delivered", VIDEO)


# a job that fails, or is not accepted


def test_a_job_that_failed_ends_the_steps() -> None:
    done: list[JobStep] = []
    last, emulator, client = last_of("job-fails:out of memory", on_done=done.append)
    record = record_of(client)
    assert (last, [step.error for step in done]) == (JobStep(record=record), [None])
    assert (record.state, record.status, record.error) == ("failed", "failed", "out of memory")
    assert steps_to_the_end(client, emulator)[-1] == last
    assert posts(emulator) == 1


@pytest.mark.parametrize(
    "faults",
    [["status:429,on=submit,retry_after=20", "status:503,on=submit,retry_after=7"], ["status:429,on=submit"] * 2],
)
def test_a_submit_that_is_refused_for_now_is_made_again(faults: list[str]) -> None:
    emulator = BothSides(renderer=render, faults=faults)
    client = emulator.client(journal=MemoryJournal(), retry=STEADY)
    steps = steps_to_the_end(client, emulator, save_to="lake.mp4", poll=POLL)
    assert [step.wait for step in steps[:3]] == ([20.0, 7.0, 1.0] if "retry_after" in faults[0] else [0.5, 1.0, 1.0])
    assert [type(step.error) for step in steps[:3]] == [QueueSubmitError, QueueSubmitError, type(None)]
    assert states(client) == {"order-1": ["delivered"]}
    assert posts(emulator) == 3


def test_a_submit_that_is_refused_until_the_deadline_ends_the_steps() -> None:
    done: list[JobStep] = []
    last, emulator, client = last_of(
        "status:429,on=submit,times=forever", poll=PollPolicy(timeout=60), on_done=done.append
    )
    assert isinstance(last.error, QueueSubmitError)
    assert 50 < emulator.clock.now() <= 60
    assert (record_of(client).state, [step.record for step in done]) == ("refused", [record_of(client)])


@pytest.mark.parametrize("code", [402, 422, 401])
def test_a_submit_that_is_refused_for_good_ends_the_steps(code: int) -> None:
    last, emulator, client = last_of(f"status:{code},on=submit")
    assert isinstance(last.error, QueueSubmitError) and last.error.status_code == code
    assert last.record == record_of(client)
    assert (record_of(client).state, posts(emulator)) == ("refused", 1)
    with pytest.raises(InvalidInputError, match="'order-1' is refused, and has no job: pass its options, too"):
        client.jobs.step("order-1")
    steps_to_the_end(client, emulator, save_to="lake.mp4")
    assert states(client) == {"order-1": ["refused", "delivered"]}


def test_an_unknown_outcome_ends_the_steps_until_a_person_has_settled_it() -> None:
    done: list[JobStep] = []
    last, emulator, client = last_of("drop-after", on_done=done.append)
    assert isinstance(last.error, SubmitOutcomeUnknownError)
    assert record_of(client).state == "unknown"
    for options in (LAKE, None):
        again = client.jobs.step("order-1", options, on_done=done.append)
        assert (again.record, again.wait) == (record_of(client), None)
    assert [step.record.state for step in done if step.record] == ["unknown"] * 3
    client.jobs.settle("order-1", job_id=accepted(emulator)[0])
    steps_to_the_end(client, emulator, save_to="lake.mp4")
    assert (record_of(client).state, posts(emulator)) == ("delivered", 1)


def test_a_response_that_says_that_the_job_is_done_is_believed() -> None:
    with (
        BothSides(renderer=render, pending=0, processing=0) as emulator,
        emulator.client(journal=MemoryJournal()) as client,
    ):
        assert len(steps_to_the_end(client, emulator, save_to="lake.mp4", poll=POLL)) <= 2
        assert Path("lake.mp4").read_bytes() == VIDEO


# a status that cannot be read, or comes too late


def test_failed_status_checks_do_not_end_the_steps() -> None:
    faults = ["status:503,on=status,retry_after=9", "drop-before,on=status", "status:429,on=status", "bad-json"]
    emulator = BothSides(renderer=render, faults=faults)
    client = emulator.client(journal=MemoryJournal(), retry=STEADY)
    steps = steps_to_the_end(client, emulator, save_to="lake.mp4", poll=POLL)
    assert [type(step.error) for step in steps[1:5]] == [QueueStatusError] * 4
    assert [step.wait for step in steps[1:5]] == [9.0, 1.0, 2.0, 4.0]
    assert steps[-1] == JobStep(record=record_of(client))


def test_a_key_that_is_refused_for_an_hour_does_not_end_the_steps() -> None:
    last, emulator, client = last_of("status:401,on=status,times=60")
    assert last == JobStep(record=record_of(client))
    assert (record_of(client).state, record_of(client).error) == ("delivered", None)
    assert emulator.clock.now() == pytest.approx(3601, abs=5)


def test_a_job_that_the_service_does_not_know_ends_the_steps() -> None:
    last, _, client = last_of("status:404,on=status,times=forever")
    assert isinstance(last.error, QueueStatusError) and isinstance(last.error.cause, NotFoundError)
    assert (record_of(client).state, record_of(client).error) == ("accepted", str(last.error))
    assert client.jobs.settle("order-1", job_id=None).state == "failed"


def test_a_video_that_is_not_visible_yet_is_fetched_later_and_one_that_is_gone_ends_the_steps() -> None:
    last, _, client = last_of("status:404,on=content,times=2")
    assert last == JobStep(record=record_of(client))
    last, emulator, client = last_of("status:404,on=content,times=forever")
    assert isinstance(last.error, QueueResultError) and isinstance(last.error.cause, NotFoundError)
    assert record_of(client).state == "completed"
    assert 30 <= emulator.clock.now() < 45


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [
        ((), 100, 100),
        (("status:503,on=status,times=forever",), 150, 600),  # 20 failures in a row
        (("status:401,on=status,times=forever",), 1000, 1200),
    ],
)
def test_after_the_deadline_the_job_is_left_as_it_is(fault: tuple[str, ...], least: float, most: float) -> None:
    done: list[JobStep] = []
    last, emulator, client = last_of("job-never-ends", *fault, poll=PollPolicy(timeout=100), on_done=done.append)
    assert isinstance(last.error, JobTimeoutError)
    assert last.error.job_id == accepted(emulator)[0]
    assert least - 0.1 <= emulator.clock.now() <= most + 0.1
    assert last.record == record_of(client)
    assert (record_of(client).state, record_of(client).error) == ("accepted", str(last.error))
    assert [step.error for step in done] == [last.error]


@pytest.mark.parametrize("how", ["step", "resume"])
def test_a_job_that_was_given_up_at_the_deadline_can_be_taken_up_again(how: str) -> None:
    emulator = BothSides(renderer=render, processing=500)
    client = emulator.client(journal=MemoryJournal())
    first = steps_to_the_end(client, emulator, poll=PollPolicy(timeout=400), save_to="lake.mp4")
    assert isinstance(first[-1].error, JobTimeoutError)
    late = client.jobs.step("order-1", LAKE, token=first[-2].token, save_to="lake.mp4")
    assert (late.superseded, late.wait) == (True, None)
    if how == "step":
        steps_to_the_end(client, emulator, save_to="lake.mp4")
    else:
        client.jobs.resume(save_to="{label}.mp4")
    assert (record_of(client).state, record_of(client).error, posts(emulator)) == ("delivered", None, 1)


@pytest.mark.parametrize("fault", ["status:503,on=status,times=3", "status:503,on=content,times=3"])
def test_a_queue_that_stood_still_until_after_the_deadline_saves_the_video_in_spite_of_failures(fault: str) -> None:
    emulator = BothSides(renderer=render)
    client = emulator.client(journal=MemoryJournal())
    step = client.jobs.step("order-1", LAKE, poll=PollPolicy(timeout=100))
    emulator.clock.advance(10_000)
    emulator.faults.add(fault)
    while step.wait is not None:
        emulator.clock.advance(step.wait)
        step = client.jobs.step("order-1", LAKE, token=step.token, save_to="lake.mp4")
    assert record_of(client).state == "delivered"
    assert Path("lake.mp4").read_bytes() == content(LAKE["prompt"])
