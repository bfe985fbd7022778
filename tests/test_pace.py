"""`decart.pace`: the pause before the next status check, once a client knows how long jobs of that kind take."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
import random
import threading
from functools import cache
from pathlib import Path
from statistics import fmean, geometric_mean
from types import ModuleType
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import KEY, LAKE, OWN_MODEL

from decart import DecartClient, JobStatusResponse, PollPolicy
from decart.pace import Expectation, JobMemory, expect
from decart.policies import pause

STEADY = PollPolicy(jitter=0)
CONSTANT = PollPolicy(interval=1.5, max_interval=1.5, backoff=1, jitter=0)
KIND = ("a-model", "720p", "landscape")

POLICIES = st.builds(
    PollPolicy,
    interval=st.sampled_from([0.1, 0.5, 2.0, 3.0]),
    backoff=st.sampled_from([1.0, 1.5, 3.0]),
    max_interval=st.sampled_from([2.0, 10.0]),
    jitter=st.sampled_from([0.0, 0.1, 1.0]),
)
LEARNED = st.builds(
    lambda typical, factors: [typical * factor for factor in factors],
    st.floats(0.01, 3000),
    st.lists(st.floats(0.7, 1.4), min_size=5, max_size=12),
)
SECONDS = st.floats(0, 3000)
CHANCE = st.floats(0, 1)


def expected_of(durations: list[float]) -> Expectation:
    expected = expect(durations)
    assert expected is not None
    return expected


def checks_of(duration: float, expected: Expectation | None, policy: PollPolicy = STEADY) -> list[float]:
    """Return when the status of a job is checked, in seconds since its submit, up to the check that sees its end."""
    checks = [0.0]
    while checks[-1] < duration:
        number, elapsed, chance = len(checks), checks[-1], random.random()
        learned = expected and expected.pause(policy, check=number, elapsed=elapsed, chance=chance)
        checks.append(elapsed + (learned or pause(policy, number, chance)))
    return checks[1:]


def lag_of(duration: float, expected: Expectation | None, policy: PollPolicy = STEADY) -> float:
    return checks_of(duration, expected, policy)[-1] - duration


def learn(memory: JobMemory, job_id: str, duration: float, policy: PollPolicy = STEADY) -> list[float]:
    """Wait for one more job, learn from it, and return when its status was checked."""
    memory.accepted(job_id, KIND, 100.0)
    checks = checks_of(duration, memory.expectation(job_id), policy)
    last_seen_running = checks[-2] if len(checks) > 1 else 0.0
    memory.completed(job_id, 100.0 + checks[-1], 100.0 + last_seen_running)
    return checks


def log_normal(median: float, seed: int, count: int) -> list[float]:
    chance = random.Random(seed)
    return [chance.lognormvariate(math.log(median), 0.25) for _ in range(count)]


@pytest.mark.parametrize("median", [30.0, 5.0])
@pytest.mark.parametrize("frozen", [False, True], ids=["learned", "frozen"])
def test_after_ten_jobs_checks_are_rarer_and_no_later_than_at_a_constant_pace(median: float, frozen: bool) -> None:
    random.seed(1)
    policy, memory, jobs = PollPolicy(), JobMemory(), 800
    durations = log_normal(median, seed=1, count=jobs)
    others = iter(log_normal(median, seed=2, count=10 * jobs))
    checks, lags = [], []
    for number, duration in enumerate(durations):
        if frozen or number == 0:
            memory = JobMemory()
            for before in range(10):
                learn(memory, f"before-{before}", next(others), policy)
        made = learn(memory, f"job-{number}", duration, policy)
        checks.append(len(made))
        lags.append(made[-1] - duration)
    assert fmean(checks) <= 0.6 * fmean(len(checks_of(duration, None, CONSTANT)) for duration in durations)
    assert fmean(lags) <= fmean(lag_of(duration, None, CONSTANT) for duration in durations)


@pytest.mark.parametrize("median", [0.3, 1.0, 2.0, 8.0, 90.0, 300.0])
def test_jobs_of_any_length_need_no_more_checks_and_no_more_lag_than_at_the_default_pace(median: float) -> None:
    random.seed(1)
    durations = log_normal(median, seed=1, count=200)
    expected = expected_of(log_normal(median, seed=2, count=20))
    learned, default = ([checks_of(one, pace) for one in durations] for pace in (expected, None))
    assert sum(map(len, learned)) <= sum(map(len, default))
    assert sum(checks[-1] for checks in learned) <= sum(checks[-1] for checks in default)


@given(LEARNED, SECONDS, st.integers(1, 2000), POLICIES, CHANCE)
def test_a_pause_is_limited_whatever_was_learned(
    durations: list[float], elapsed: float, check: int, policy: PollPolicy, chance: float
) -> None:
    expected, most = expected_of(durations), policy.max_interval
    seconds = expected.pause(policy, check=check, elapsed=elapsed, chance=chance)
    assert seconds >= min(policy.interval, most) * (1 - policy.jitter) - 1e-9
    assert seconds <= 4 * most
    assert elapsed + seconds <= max(elapsed, expected.earliest) + most + 1e-9


@given(LEARNED, SECONDS, POLICIES, st.integers(1, 2000), CHANCE)
def test_a_job_that_takes_longer_than_expected_is_checked_at_the_default_pace(
    durations: list[float], more: float, policy: PollPolicy, check: int, chance: float
) -> None:
    expected = expected_of(durations)
    seconds = expected.pause(policy, check=check, elapsed=expected.latest + more, chance=chance)
    assert seconds == pause(policy, check, chance)


@given(LEARNED, st.floats(0.001, 300))
def test_the_end_of_any_job_is_seen_within_the_longest_pause_for_its_age(durations: list[float], one: float) -> None:
    expected = expected_of(durations)
    lag = lag_of(one, expected)
    assert lag <= 4 * STEADY.max_interval + 1e-9
    assert one < expected.earliest or lag <= STEADY.max_interval + 1e-9


def test_checks_become_more_frequent_as_the_typical_duration_comes_near() -> None:
    expected = expected_of([30.0] * 10)
    pauses = [expected.pause(STEADY, check=1, elapsed=elapsed) for elapsed in (0.0, expected.earliest, 27.0, 30.0)]
    assert pauses[:2] == [8.0, 2.0]
    assert pauses[1] > pauses[2] > pauses[3] > 1.0


def test_jitter_shortens_a_pause() -> None:
    expected = expected_of([30.0] * 10)
    full, less = (expected.pause(PollPolicy(jitter=0.1), check=1, elapsed=9.0, chance=chance) for chance in (0.0, 1.0))
    assert less == pytest.approx(0.9 * full)


@pytest.mark.parametrize("durations", [[], [30.0] * 4, [10.0, 30.0] * 5, [30.0] + [10.0] * 4, [1.0, 30.0, 60.0] * 4])
def test_nothing_is_expected_after_fewer_than_five_jobs_or_scattered_ones(durations: list[float]) -> None:
    assert expect(durations) is None


@given(LEARNED)
def test_the_typical_duration_is_the_geometric_mean(durations: list[float]) -> None:
    expected = expected_of(durations)
    assert expected.typical == pytest.approx(geometric_mean(durations))
    assert expected.earliest < expected.typical < expected.latest


def test_the_expected_range_narrows_with_alike_durations_and_with_their_number() -> None:
    unlike, few, many = expected_of([20.0, 45.0] * 5), expected_of([30.0] * 10), expected_of([30.0] * 100)
    assert unlike.earliest < few.earliest < many.earliest
    assert unlike.latest > few.latest > many.latest


def test_an_expectation_can_be_stored_as_json() -> None:
    expected = expected_of([30.0] * 5)
    assert Expectation(**json.loads(json.dumps(attrs.asdict(expected)))) == expected


def test_a_duration_is_estimated_halfway_between_two_checks_but_not_before_the_earliest_expected_end() -> None:
    memory = JobMemory()
    for number in range(5):
        memory.accepted(f"job-{number}", KIND, 100.0)
        memory.completed(f"job-{number}", at=131.0, last_seen_running=129.0)
    first = memory.expectation("job-0")
    assert first == expect([30.0] * 5)
    assert first is not None
    memory.accepted("late", KIND, 100.0)
    memory.completed("late", at=101.0 + first.earliest, last_seen_running=99.0 + first.earliest - 3)
    assert memory.expectation("late") == expect([30.0] * 5 + [first.earliest + 0.5])
    memory.accepted("short", KIND, 100.0)
    memory.completed("short", at=108.0, last_seen_running=100.0)
    assert memory.expectation("short") == expect([30.0] * 5 + [first.earliest + 0.5, 4.0])


def test_a_job_is_learned_from_once() -> None:
    memory = JobMemory()
    memory.accepted("j1", KIND, 0.0)
    for _ in range(5):
        memory.completed("j1", 30.0, 29.0)
    assert memory.expectation("j1") is None


@pytest.mark.parametrize(("gap", "most", "learns"), [(8, 2, True), (11, 2, False), (7200, 2, False), (40, 10, True)])
def test_nothing_is_learned_from_checks_that_are_further_apart_than_ours(gap: int, most: int, learns: bool) -> None:
    memory = JobMemory(PollPolicy(max_interval=most))
    for number in range(5):
        memory.accepted(f"job-{number}", KIND, 0.0)
        memory.completed(f"job-{number}", 20.0 + gap, 20.0)
    assert (memory.expectation("job-0") is not None) == learns


def test_a_job_that_had_finished_when_it_was_accepted_can_be_learned_from() -> None:
    memory = JobMemory()
    for number in range(5):
        memory.accepted(f"job-{number}", KIND, 50.0)
        memory.completed(f"job-{number}", 50.0, 50.0)
    expected = memory.expectation("job-0")
    assert expected is not None
    assert expected.pause(STEADY, check=1, elapsed=0.0) == STEADY.interval


def seen(word: str) -> JobStatusResponse:
    return JobStatusResponse(job_id="j1", status=word)


def test_nothing_is_known_of_jobs_that_others_submitted() -> None:
    memory = JobMemory()
    memory.completed("j1", 30.0, 29.0)
    assert memory.submitted_at("j1") is None
    assert memory.expectation("j1") is None
    assert memory.with_age(seen("completed"), 30.0) == seen("completed")


def test_the_age_of_a_job_stops_growing_when_it_is_first_seen_finished() -> None:
    memory = JobMemory()
    memory.accepted("j1", KIND, 100.0)
    assert memory.submitted_at("j1") == 100.0
    ages = [memory.with_age(seen(word), at) for word, at in (("pending", 105), ("failed", 130), ("failed", 500))]
    assert [(age.model, age.elapsed) for age in ages] == [("a-model", 5.0), ("a-model", 30.0), ("a-model", 30.0)]


def test_the_oldest_jobs_kinds_and_durations_are_forgotten() -> None:
    memory = JobMemory()
    jobs = [(f"model-{kind}", f"job-{kind}-{number}") for kind in range(101) for number in range(5)]
    for model, job_id in jobs:
        memory.accepted(job_id, (model,), 0.0)
        memory.completed(job_id, 30.0, 30.0)
    assert memory.expectation("job-0-0") is None
    assert memory.expectation("job-1-0") == memory.expectation("job-100-0") == expect([30.0] * 5)
    for number in range(1000):
        memory.accepted(f"new-{number}", ("model-100",), 0.0)
        memory.completed(f"new-{number}", 60.0, 60.0)
    assert memory.submitted_at("job-100-4") is None
    assert memory.expectation("new-0") == expect([60.0] * 100)


def test_threads_can_share_a_memory() -> None:
    memory = JobMemory()

    def work(name: str) -> None:
        for number in range(500):
            learn(memory, f"{name}-{number}", 3.0)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = [memory.submitted_at(f"{name}-{number}") for name in "abcd" for number in range(500)]
    assert known.count(100.0) == 1000


@cache
def benchmark() -> ModuleType:
    """Return the simulation that draws ``docs/poll-pace.png``, through a client and with a virtual clock."""
    path = Path(__file__).parents[1] / "benchmarks" / "poll_pace.py"
    spec = importlib.util.spec_from_file_location("poll_pace", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_client_learns_from_its_own_jobs_of_the_same_model_and_size() -> None:
    server = benchmark().Server(itertools.repeat(30.0))

    def first_check(client: DecartClient, **options: object) -> float:
        job: Any = {**LAKE, **options}
        client.queue.submit_and_poll(job)
        seconds: float = server.jobs[-1].checks[0]
        return seconds

    client = DecartClient(KEY, transport=server)
    assert all(first_check(client) <= 0.5 for _ in range(5))
    assert first_check(client) > 4
    assert first_check(client, resolution="720p", orientation="landscape") > 4  # the defaults
    assert first_check(client, resolution="480p") <= 0.5
    assert first_check(client, orientation="portrait") <= 0.5
    assert first_check(client, model=OWN_MODEL) <= 0.5
    assert first_check(DecartClient(KEY, transport=server)) <= 0.5


def test_a_client_gains_what_the_benchmark_promises() -> None:
    simulate, paces = benchmark().simulate, benchmark().PACES
    constant, learned = (simulate(paces[name], 5.0, jobs=300, seed=1) for name in ("constant 1.5 s", "learned"))
    assert fmean(len(job.checks) for job in learned) <= 0.6 * fmean(len(job.checks) for job in constant)
    assert fmean(job.lag for job in learned) <= fmean(job.lag for job in constant)
