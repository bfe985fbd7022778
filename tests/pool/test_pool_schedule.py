"""The schedule of a pool: which step is due, as a pure function of the time and of what happened."""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from itertools import count
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decart import RateLimitError, ServerError
from decart.polling import Wait
from decart.pool.schedule import Schedule, Step

BUSY = RateLimitError("Too many.", status_code=429, retry_after=5.0)
FOREVER = float("inf")


def asking(seconds: float) -> ServerError:
    return ServerError("Away.", status_code=503, retry_after=seconds)


def schedule_of(**limits: Any) -> Schedule[str]:
    return Schedule(**({"max_in_flight": 20, "workers": 16, "max_checks_per_second": 200.0} | limits))


def begin(schedule: Schedule[str], now: float) -> Step[str]:
    step = schedule.due(now)
    assert isinstance(step, Step)
    return step


def steps(schedule: Schedule[str], now: float) -> list[Step[str]]:
    """Return the steps that begin now."""
    begun = []
    while isinstance(step := schedule.due(now), Step):
        begun.append(step)
    return begun


def wait(schedule: Schedule[str], now: float) -> float:
    found = schedule.due(now)
    assert isinstance(found, Wait)
    return found.seconds


def running(schedule: Schedule[str], *jobs: str, at: float = 1.0, deadline: float = FOREVER) -> None:
    """Add jobs that were accepted and are to be checked."""
    for job in jobs:
        schedule.add(job, 0.0)
        step = begin(schedule, 0.0)
        schedule.observe(step, None, 0.0)
        schedule.check_at(step, at, deadline, repeat=False)


def test_an_empty_schedule_waits_for_something_to_happen() -> None:
    schedule = schedule_of()
    assert schedule.is_idle
    assert wait(schedule, 0.0) == FOREVER


def test_a_job_is_submitted_checked_and_fetched() -> None:
    schedule = schedule_of()
    schedule.add("a", 0.0)
    submit = begin(schedule, 0.0)
    assert (submit.kind, submit.job, submit.repeat) == ("submit", "a", False)
    schedule.check_at(submit, 2.0, FOREVER, repeat=False)
    assert wait(schedule, 0.5) == 1.5
    check = begin(schedule, 2.0)
    assert check.kind == "check"
    schedule.fetch(check, 2.0)
    fetch = begin(schedule, 2.0)
    assert fetch.kind == "fetch"
    assert not schedule.is_idle
    assert schedule.under_way == 1
    schedule.ended(fetch)
    assert schedule.is_idle


def test_of_the_steps_that_may_begin_the_oldest_does() -> None:
    schedule = schedule_of()
    running(schedule, "checked later", at=5.0)
    running(schedule, "checked", at=3.0)
    schedule.add("submitted", 4.0)
    assert [(step.kind, step.job) for step in steps(schedule, 10.0)] == [("check", "checked"), ("submit", "submitted")]
    assert [step.job for step in steps(schedule, 10.005)] == ["checked later"]


def test_no_more_jobs_are_in_flight_than_the_window_allows() -> None:
    schedule = schedule_of(max_in_flight=2)
    for job in "abc":
        schedule.add(job, 0.0)
    first, second = steps(schedule, 0.0)
    schedule.check_at(first, 1.0, FOREVER, repeat=False)
    assert wait(schedule, 0.0) == 1.0
    schedule.ended(second)
    assert [step.job for step in steps(schedule, 0.0)] == ["c"]


def test_submits_and_fetches_leave_workers_for_checks() -> None:
    schedule = schedule_of(max_in_flight=100)
    for number in range(20):
        schedule.add(str(number), 0.0)
    begun = steps(schedule, 0.0)
    assert len(begun) == 6
    for step in begun:
        schedule.fetch(step, 0.0)
    kinds = [step.kind for step in steps(schedule, 0.0)]
    assert (kinds.count("submit"), kinds.count("fetch")) == (6, 6)


def test_one_worker_may_do_everything() -> None:
    schedule = schedule_of(workers=1)
    schedule.add("a", 0.0)
    submit = begin(schedule, 0.0)
    schedule.fetch(submit, 0.0)
    assert begin(schedule, 0.0).kind == "fetch"


def test_a_refused_submit_pauses_all_submits_and_no_checks() -> None:
    schedule = schedule_of()
    running(schedule, "running", at=11.0)
    schedule.add("refused", 10.0)
    step = begin(schedule, 10.0)
    schedule.add("next", 10.0)
    schedule.observe(step, BUSY, 10.0)
    schedule.submit_at(step, 15.0, repeat=True)
    assert wait(schedule, 10.0) == 1.0
    check = begin(schedule, 11.0)
    assert check.kind == "check"
    schedule.ended(check)
    assert wait(schedule, 11.0) == 4.0
    assert schedule.window.size == 1.0


@pytest.mark.parametrize(("error", "submits"), [(BUSY, 1), (asking(5.0), 0)])
def test_a_refused_check_pauses_all_checks_and_a_503_submits_too(error: Any, submits: int) -> None:
    schedule = schedule_of()
    running(schedule, "refused", "other", at=1.0)
    step = begin(schedule, 1.0)
    schedule.observe(step, error, 1.0)
    schedule.check_at(step, 6.0, FOREVER, repeat=True)
    schedule.add("new", 1.0)
    assert len(steps(schedule, 1.0)) == submits
    assert [each.kind for each in steps(schedule, 5.9)] == []
    assert begin(schedule, 6.0).job == "other"
    assert schedule.window.size == 20.0


def test_other_errors_pause_nothing() -> None:
    schedule = schedule_of()
    running(schedule, "failed", "other", at=1.0)
    step = begin(schedule, 1.0)
    schedule.observe(step, ServerError("Broken.", status_code=500, retry_after=60.0), 1.0)
    assert [each.job for each in steps(schedule, 1.005)] == ["other"]


def test_a_pause_does_not_delay_a_check_past_the_deadline_of_its_wait() -> None:
    schedule = schedule_of()
    running(schedule, "patient", at=1.0, deadline=1000.0)
    running(schedule, "last", at=2.0, deadline=3.0)
    running(schedule, "refused", at=0.5)
    step = begin(schedule, 0.5)
    schedule.observe(step, asking(60.0), 0.5)
    assert wait(schedule, 1.0) == 2.0
    assert [each.job for each in steps(schedule, 3.0)] == ["last"]
    assert wait(schedule, 3.0) == 57.5


def test_repeats_wait_for_the_budget_and_other_checks_do_not() -> None:
    schedule = schedule_of(max_in_flight=100, max_checks_per_second=1e5)
    jobs = [str(number) for number in range(20)]
    running(schedule, *jobs, at=1.0)
    for step in steps_spread(schedule, 1.0):
        schedule.observe(step, ServerError("Broken.", status_code=500), 1.0)
        schedule.check_at(step, 2.0, FOREVER, repeat=True)
    repeated = steps_spread(schedule, 2.0)
    assert len(repeated) == 10
    running(schedule, "new", at=2.0)
    assert [step.job for step in steps_spread(schedule, 2.1)] == ["new"]
    assert len(steps_spread(schedule, 3.01)) == 1
    assert len(steps_spread(schedule, 4.02)) == 1


def steps_spread(schedule: Schedule[str], now: float) -> list[Step[str]]:
    """Return the checks that begin within a few milliseconds."""
    return [step for tick in range(100) for step in steps(schedule, now + tick / 1e5)]


def test_a_deadline_comes_before_the_budget() -> None:
    schedule = schedule_of(max_in_flight=100, max_checks_per_second=1e5)
    running(schedule, *map(str, range(30)), at=1.0, deadline=50.0)
    for step in steps_spread(schedule, 1.0):
        schedule.check_at(step, 2.0, 2.5 if step.job == "29" else 50.0, repeat=True)
    assert "29" not in [step.job for step in steps_spread(schedule, 2.0)]
    assert [step.job for step in steps_spread(schedule, 2.5)] == ["29"]


def test_a_stopped_schedule_only_lets_jobs_leave() -> None:
    schedule = schedule_of(max_in_flight=2)
    running(schedule, "running", at=100.0)
    for job in ("submitting", "waiting"):
        schedule.add(job, 0.0)
    submitting = begin(schedule, 0.0)
    schedule.stop()
    leaving = steps(schedule, 0.0)
    assert {(step.kind, step.job) for step in leaving} == {("leave", "running"), ("leave", "waiting")}
    schedule.check_at(submitting, 50.0, FOREVER, repeat=False)
    leaving += steps(schedule, 0.0)
    assert leaving[-1] == Step("leave", "submitting")
    for step in leaving:
        schedule.ended(step)
    assert schedule.is_idle


@attrs.define(eq=False)
class Simulated:
    """A job of a simulated service."""

    duration: float
    ends: float = 0.0
    due: float = 0.0


@given(
    st.integers(1, 30),
    st.integers(1, 16),
    st.sampled_from([2.0, 20.0, 200.0]),
    st.integers(1, 60),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.integers(0, 2**32),
)
def test_any_run_keeps_the_limits_and_ends_all_jobs(
    in_flight: int, workers: int, rate: float, jobs: int, failing: float, seed: int
) -> None:
    """Run a simulated pool to its end: no limit is exceeded, no job is lost, and no due step is overtaken forever."""
    chance = random.Random(seed)
    schedule: Schedule[Simulated] = Schedule(max_in_flight=in_flight, workers=workers, max_checks_per_second=rate)
    now, checks, ended = 0.0, [-1.0], 0
    in_service: set[Simulated] = set()
    under_way: list[tuple[float, int, Step[Simulated]]] = []
    waiting: dict[tuple[str, bool], set[Simulated]] = defaultdict(set)

    def put(kind: str, repeat: bool, job: Simulated, due: float) -> None:
        job.due = due
        waiting[kind, repeat].add(job)

    for _ in range(jobs):
        job = Simulated(chance.uniform(0, 20))
        schedule.add(job, now)
        put("submit", False, job, now)
    for turn in count():
        if schedule.is_idle:
            break
        found = schedule.due(now) if len(under_way) < workers else Wait(FOREVER)
        if isinstance(found, Step):
            others = waiting[found.kind, found.repeat]
            assert found.job.due == min(each.due for each in others), "a step was overtaken"
            others.remove(found.job)
            if found.kind == "check":
                assert now - checks[-1] >= 1 / rate - 1e-5
                checks.append(now)
            heapq.heappush(under_way, (now + chance.uniform(0, 0.2), turn, found))
            assert len(under_way) <= workers
            assert len(in_service | {step.job for _, _, step in under_way}) <= in_flight
            continue
        ends = under_way[0][0] if under_way else FOREVER
        assert min(ends, found.seconds) < FOREVER, "it waits for nothing"
        if now + found.seconds < ends:
            now += found.seconds
            continue
        now, step = ends, heapq.heappop(under_way)[2]
        job, error = step.job, asking(1.0) if chance.random() < failing else None
        if step.kind == "fetch":
            in_service.remove(job)
            schedule.ended(step)
            ended += 1
            continue
        schedule.observe(step, error, now)
        if step.kind == "submit" and error is not None:
            schedule.submit_at(step, now + 1.0, repeat=True)
            put("submit", True, job, now + 1.0)
        elif step.kind == "submit" or error is not None or now < job.ends:
            in_service.add(job)
            job.ends = job.ends if step.kind == "check" else now + job.duration
            schedule.check_at(step, now + 1.0, FOREVER, repeat=error is not None)
            put("check", error is not None, job, now + 1.0)
        else:
            schedule.fetch(step, now)
            put("fetch", False, job, now)
    assert ended == jobs
