"""Several schedulers make the steps of one job: tasks are delivered twice, late, or again after a kill."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.labelled import LAKE, BothSides, Failing, accepted, content, posts, render
from support.steps import POLL, Plan, TaskQueue, checks, steps_to_the_end

from decart import JobStep, MemoryJournal, SQLiteJournal
from decart.emulator import VirtualEmulator

ALONE = 5
"""The status checks of a scheduler that is alone."""


def outcome(plan: Plan, emulator_of: Any = VirtualEmulator) -> tuple[TaskQueue, int]:
    """Carry out a plan, and check what holds for each; return the queue and the number of status checks."""
    with tempfile.TemporaryDirectory() as folder, emulator_of(renderer=render, processing=4) as emulator:
        queue = TaskQueue(emulator, Path(folder, "lake.mp4"))
        queue.run(plan)
        assert posts(emulator) <= 1
        assert emulator.clock.sleeps == []
        record = queue.journal.latest("order-1")
        assert record is not None
        assert queue.done, "on_done was never called"
        if record.state == "unknown":  # it was killed while it was sending
            assert queue.killed and not queue.target.exists()
        else:
            assert (record.owner, record.due_at, record.poll, record.error) == ("", None, None, None)
            assert (record.state, queue.target.read_bytes()) == ("delivered", content(LAKE["prompt"]))
            assert [record.job_id] == accepted(emulator)
        assert [path for path in Path(folder).iterdir() if path != queue.target] == []
        return queue, checks(emulator)


def test_one_scheduler_makes_the_status_checks_of_one_wait() -> None:
    queue, made = outcome(Plan())
    assert (made, len(queue.steps), len(queue.done)) == (ALONE, ALONE + 1, 1)
    with VirtualEmulator(processing=4) as emulator:
        emulator.client(poll=POLL).queue.submit_and_poll(LAKE)
        assert checks(emulator) == ALONE


PLANS = st.builds(
    Plan,
    starts=st.lists(st.sampled_from([0.0, 0.5, 2.0, 11.0, 35.0]), min_size=1, max_size=3),
    kills=st.dictionaries(st.integers(0, 12), st.tuples(st.integers(0, 4), st.booleans()), max_size=4),
    twice=st.dictionaries(st.integers(0, 12), st.sampled_from([0.0, 0.3, 1.0, 9.0, 45.0]), max_size=4),
    late=st.sampled_from([0.0, 0.2, 15.0]),
    skews=st.lists(st.sampled_from([0.0, -600.0, 600.0]), min_size=1, max_size=3),
)


@given(plan=PLANS)
@example(plan=Plan(starts=[0.0, 0.0, 0.0], twice=dict.fromkeys(range(13), 0.0)))
@example(plan=Plan(starts=[0.0, 0.5], twice={0: 0.0, 1: 0.3, 2: 1.0}, skews=[-600.0, 600.0]))
def test_every_chain_ends_with_one_submit_and_one_video(plan: Plan) -> None:
    queue, made = outcome(plan)
    others = len(plan.starts) - 1 + len(plan.twice) + queue.killed
    assert made <= ALONE + 2 * others


@pytest.mark.parametrize("side", ["sync", "async"])
def test_a_step_that_is_killed_at_any_write_is_made_again(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BothSides, "side", side)
    unknown = killed = 0
    for number in range(ALONE + 1):
        for write in range(5):
            for after in (False, True):
                queue, made = outcome(Plan(kills={number: (write, after)}), BothSides)
                assert made <= ALONE + queue.killed
                killed += queue.killed
                unknown += queue.done[-1].error is not None
    assert killed >= 20
    assert unknown == 2  # after the write that the request may be sent, and before the one that it was accepted


@pytest.mark.parametrize("token", [False, True])
@pytest.mark.parametrize("make", [MemoryJournal, lambda: SQLiteJournal("jobs.db")], ids=["memory", "sqlite"])
def test_of_threads_with_the_same_token_one_makes_the_step(
    make: Any, token: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with VirtualEmulator() as emulator, emulator.client(journal=make()) as client, ThreadPoolExecutor(8) as pool:
        first = client.jobs.step("order-1", LAKE, poll=POLL) if token else JobStep(record=None)
        steps = list(pool.map(lambda _: client.jobs.step("order-1", LAKE, token=first.token, poll=POLL), range(8)))
        assert posts(emulator) == 1
        own = {step.token for step in steps if step.token and step.token.endswith(f".{token + 1}.0.0")}
        assert all(step.wait is not None for step in steps)
        assert len(own) <= 1
        record = client.jobs.get("order-1")
        assert record is not None and record.steps >= 1


def made_with_the_same_inside(calls: int, seconds: float, target: Path) -> bool:
    """Make a step and, at this call of the journal that it makes, the same step once more; then all that follow.

    Returns:
        Whether the step made so many calls.
    """
    journal, done, other = Failing(), list[JobStep](), list[JobStep]()
    given: dict[str, Any] = {"save_to": target, "on_done": done.append, "poll": POLL}
    with BothSides(renderer=render) as emulator, emulator.client(journal=journal) as client:
        token = client.jobs.step("order-1", LAKE, **given).token if seconds else None
        emulator.clock.advance(seconds)
        journal.calls.clear()

        def interfere(method: str, value: Any) -> bool:
            if len(journal.calls) == calls:
                other.append(client.jobs.step("order-1", LAKE, token=token, **given))
            return False

        journal.fails = interfere
        step = client.jobs.step("order-1", LAKE, token=token, **given)
        journal.fails = lambda method, value: False
        for each in (step, *other):
            emulator.clock.advance(each.wait or 0.0)
            last = each if each.wait is None else steps_to_the_end(client, emulator, each.token, **given)[-1]
            assert last.record is not None and last.record.state == "delivered"
        assert target.read_bytes() == content(LAKE["prompt"])
        assert posts(emulator) == 1
        assert done and checks(emulator) <= ALONE + 3
        target.unlink()
    return bool(other)


@pytest.mark.parametrize("side", ["sync", "async"])
@pytest.mark.parametrize("seconds", [0, 2, 5])
def test_a_step_that_is_made_in_the_middle_of_the_same_step_does_no_harm(
    side: str, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BothSides, "side", side)
    calls = 1
    while made_with_the_same_inside(calls, seconds, tmp_path / "lake.mp4"):
        calls += 1
    assert calls > 2
