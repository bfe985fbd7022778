"""`decart.pace`: how long until the next look at a job, once jobs like it have been seen to the end."""

from __future__ import annotations

import importlib.util
import math
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import LAKE, OWN_MODEL, FakeTransport, accepted, client_of, status, video

from decart import DecartClient, PollPolicy
from decart.durations import DURATIONS, JOBS, KEYS, Durations
from decart.pace import (
    FEWEST,
    LATE,
    Expected,
    default_moment,
    expect,
    expected_pause,
    learns,
    lesson,
)
from decart.policies import pause
from decart.transports.base import HttpRequest, HttpResponse, Timeout

POLICY = PollPolicy(jitter=0)
KEY = ("a-model", "720p", "landscape")


def looks(duration: float, expected: Expected | None, policy: PollPolicy = POLICY) -> list[float]:
    """Return when a job that takes so long is looked at, by a pace without jitter."""
    at = [0.0]
    while at[-1] < duration:
        turn, elapsed = len(at), at[-1]
        if expected is None:
            at.append(elapsed + pause(policy, turn))
        else:
            at.append(elapsed + expected_pause(policy, expected, turn=turn, elapsed=elapsed, waited=elapsed))
    return at[1:]


# ---------------------------------------------------------------- what is gained


@cache
def simulation() -> ModuleType:
    """Return the benchmark that draws ``docs/poll-pace.png``: a client, and a service on a virtual clock."""
    path = Path(__file__).parents[1] / "benchmarks" / "poll_pace.py"
    spec = importlib.util.spec_from_file_location("poll_pace", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("median", [30.0, 5.0])
def test_after_ten_jobs_there_are_few_looks_and_no_more_lag_than_at_a_constant_pace(median: float) -> None:
    def means(pace: str) -> tuple[float, float]:
        jobs = simulation().simulate(pace, median, 1000, seed=2)
        assert len(jobs) == 1000
        return sum(len(job.looks) for job in jobs) / 1000, sum(job.lag for job in jobs) / 1000

    constant, learned = means("constant 1.5 s"), means("learned")
    assert learned[0] <= 0.6 * constant[0]
    assert learned[1] <= constant[1]


# ---------------------------------------------------------------- what is not lost

AROUND = st.floats(math.log(0.2), math.log(3000))
SPREADS = st.floats(0.05, 0.5)
POLICIES = st.builds(
    PollPolicy,
    interval=st.sampled_from([0.1, 0.5, 2.0]),
    backoff=st.sampled_from([1.2, 1.5, 3.0]),
    max_interval=st.sampled_from([2.0, 5.0, 10.0]),
    jitter=st.just(0.0),
).filter(learns)


@given(AROUND, SPREADS, st.floats(0.1, 2000), POLICIES)
def test_a_job_that_takes_unexpectedly_long_or_short_is_not_looked_at_much_more_often(
    centre: float, spread: float, duration: float, policy: PollPolicy
) -> None:
    usual = looks(duration, None, policy)
    assert len(looks(duration, Expected(centre, spread), policy)) <= 1.2 * len(usual) + 1


@given(AROUND, SPREADS, POLICIES)
def test_a_gap_between_looks_costs_on_average_a_fifth_more_than_the_default_pace(
    centre: float, spread: float, policy: PollPolicy
) -> None:
    most = policy.max_interval
    at = [0.0, *looks(1000, Expected(centre, spread), policy)]
    for before, after in zip(at, at[1:], strict=False):
        assert after <= max(2.4 * most, 1.2 * ((before + after) / 2 + most / 2)) + 1e-9
        assert after - before <= 4 * most + 1e-9


@given(AROUND, SPREADS, st.floats(0, 1000), POLICIES)
def test_a_job_that_takes_longer_than_expected_is_seen_as_soon_as_by_the_default_pace(
    centre: float, spread: float, more: float, policy: PollPolicy
) -> None:
    expected = Expected(centre, spread)
    duration = expected.at(LATE) + more
    assert looks(duration, expected, policy)[-1] - duration <= policy.max_interval + 1e-9


@given(AROUND, SPREADS, st.floats(0, 2000), st.integers(1, 2000), st.floats(0, 1))
def test_a_pause_is_a_sane_number_whatever_was_learned(
    centre: float, spread: float, elapsed: float, turn: int, chance: float
) -> None:
    expected = Expected(centre, spread)
    seconds = expected_pause(PollPolicy(), expected, turn=turn, elapsed=elapsed, waited=elapsed, chance=chance)
    assert 0.4 <= seconds <= 8.0


def test_a_wait_that_begins_late_looks_soon() -> None:
    expected = Expected(math.log(30.0), 0.25)
    assert expected_pause(POLICY, expected, turn=1, elapsed=29.0, waited=0.0) < 2
    assert expected_pause(POLICY, expected, turn=1, elapsed=500.0, waited=0.0) == 0.5


def test_jitter_makes_a_pause_shorter() -> None:
    expected, policy = Expected(math.log(30.0), 0.25), PollPolicy(jitter=0.1)
    full, less = (
        expected_pause(policy, expected, turn=12, elapsed=30.0, waited=30.0, chance=chance) for chance in (0.0, 1.0)
    )
    assert less == pytest.approx(0.9 * full)


@given(POLICIES, st.integers(1, 200))
def test_the_moments_of_the_default_pace_are_the_sums_of_its_pauses(policy: PollPolicy, turn: int) -> None:
    assert default_moment(policy, turn) == pytest.approx(sum(pause(policy, one) for one in range(1, turn + 1)))


# ---------------------------------------------------------------- what is expected


def test_nothing_is_expected_of_few_jobs_nor_of_scattered_ones() -> None:
    assert expect([30.0] * (FEWEST - 1)) is None
    assert expect([30.0] * FEWEST) is not None
    assert expect([1.0, 2.0, 30.0, 60.0, 300.0] * 2) is None


def test_the_median_is_that_of_the_durations_and_the_spread_grows_with_theirs() -> None:
    alike, unlike = expect([30.0] * 10), expect([20.0, 45.0] * 5)
    assert alike is not None and unlike is not None
    assert alike.at(0) == pytest.approx(30.0)
    assert unlike.at(0) == pytest.approx(30.0)
    assert 0.1 < alike.spread < 0.25 < unlike.spread


def test_the_more_jobs_the_less_the_prior_counts() -> None:
    few, many = expect([30.0] * 5), expect([30.0] * 100)
    assert few is not None and many is not None
    assert many.spread < few.spread / 2


def test_a_policy_may_say_no_and_a_constant_interval_stays_one() -> None:
    assert learns(PollPolicy())
    assert not learns(PollPolicy(learn=False))
    assert not learns(PollPolicy(backoff=1.0))
    assert not learns(PollPolicy(interval=2.0, max_interval=2.0))


# ---------------------------------------------------------------- what is remembered


def test_what_is_remembered_is_bounded_and_the_newest() -> None:
    memory = Durations()
    for number in range(JOBS + KEYS + 5):
        memory.begin(f"job-{number}", (f"model-{number}",), 0.0)
    for number in range(JOBS + KEYS + 5):
        memory.took(f"job-{number}", 1.0)
    assert memory.seen(("model-0",)) == ()  # its job was forgotten
    assert memory.seen(("model-105",)) == ()  # its durations were
    assert memory.seen((f"model-{JOBS + KEYS + 4}",)) == (1.0,)
    for number in range(DURATIONS + 5):
        memory.begin("again", KEY, 0.0)
        memory.took("again", float(number))
    assert memory.seen(KEY) == tuple(float(number) for number in range(5, DURATIONS + 5))


def test_a_job_is_learned_from_once_and_a_stranger_never() -> None:
    memory = Durations()
    memory.begin("j1", KEY, 0.0)
    for _ in range(2):
        memory.took("j1", 30.0)
    memory.took("j2", 30.0)
    assert memory.seen(KEY) == (30.0,)
    assert lesson(memory, "j2", POLICY, lambda: 0.0) is None


def test_nothing_is_learned_from_a_gap_that_no_pace_of_ours_leaves_nor_from_a_failure() -> None:
    memory, now = Durations(), [0.0]
    for job_id, status_seen in (("late", "completed"), ("failed", "failed")):
        now[0] = 0.0
        memory.begin(job_id, KEY, 0.0)
        learning = lesson(memory, job_id, POLICY, lambda: now[0])
        assert learning is not None
        now[0] = 100.0 if job_id == "late" else 2.0
        learning.saw(status_seen)
    assert memory.seen(KEY) == ()


# ---------------------------------------------------------------- in a client


class Service(FakeTransport):
    """A service whose jobs take thirty seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._ends = 0.0

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        self._script = iter([self._answer])
        return super().send(request, timeout=timeout)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            self._ends = self.now() + 30
            return accepted()
        if request.url.endswith("/content"):
            return video()
        return status("completed" if self.now() >= self._ends else "processing")


@pytest.fixture
def service() -> Service:
    return Service()


def waits(service: Service, client: DecartClient, **options: object) -> list[float]:
    """Have one more job, and return when it was looked at, in seconds since its submit."""
    before, began = len(service.looks()), service.now()
    client.queue.submit_and_poll({**LAKE, **options})
    return [at - began for at in service.looks()[before:]]


def test_a_client_learns_from_its_own_jobs_of_the_same_model_and_size(service: Service) -> None:
    client = client_of(service)
    first = [waits(service, client) for _ in range(FEWEST)]
    assert all(seen[0] <= 0.5 for seen in first)
    assert waits(service, client)[0] > 4
    assert waits(service, client, resolution="720p", orientation="landscape")[0] > 4  # the defaults
    assert waits(service, client, resolution="480p")[0] <= 0.5
    assert waits(service, client, orientation="portrait")[0] <= 0.5
    assert waits(service, client, model=OWN_MODEL)[0] <= 0.5
    assert waits(service, client_of(service))[0] <= 0.5


def test_a_policy_of_one_call_may_turn_it_off(service: Service) -> None:
    client = client_of(service)
    for _ in range(FEWEST):
        waits(service, client)
    began = service.now()
    client.queue.submit_and_poll(LAKE, policy=PollPolicy(learn=False))
    assert next(at for at in service.looks() if at > began) - began <= 0.5
