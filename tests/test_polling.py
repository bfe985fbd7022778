"""`decart.polling.JobPoll`: a wait as a state machine, without I/O and without a clock."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decart import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    InvalidInputError,
    JobStatusResponse,
    NotFoundError,
    PollPolicy,
    RateLimitError,
    ResponseError,
    RetryPolicy,
    ServerError,
    TransportError,
    TransportTimeout,
)
from decart.pace import Expectation
from decart.policies import VISIBLE_AFTER
from decart.polling import MISSING, Failed, Finished, JobPoll, NextStep, TimedOut, Wait

MISSING_JOB = NotFoundError("HTTP 404.", status_code=404)
DOWN = ServerError("HTTP 500.", status_code=500)
LEARNED = Expectation(earliest=17.0, typical=30.0, latest=56.0)


def status(word: str, **more: Any) -> JobStatusResponse:
    return JobStatusResponse(job_id="j1", status=word, **more)


def new_poll(timeout: float | None = 600.0, **more: Any) -> JobPoll:
    settings = {"policy": PollPolicy(jitter=0, timeout=timeout), "retry": RetryPolicy(jitter=0), **more}
    return JobPoll(**{"job_id": "j1", "started": 100.0, **settings})


def advance(poll: JobPoll, seen: JobStatusResponse | Exception, now: float) -> NextStep:
    return poll.observe(seen, now) if isinstance(seen, JobStatusResponse) else poll.observe_error(seen, now)


def pauses(poll: JobPoll, *script: str | Exception) -> list[float]:
    """Return the pauses of a wait that observes these, each when it should."""
    now, seconds = poll.started, []
    for entry in script:
        step = advance(poll, status(entry) if isinstance(entry, str) else entry, now)
        if isinstance(step, Wait):
            seconds.append(step.seconds)
            now += step.seconds
    return seconds


# statuses


def test_the_pauses_between_status_checks_grow_as_the_policy_says() -> None:
    assert pauses(new_poll(), *["processing"] * 6) == [0.5, 0.75, 1.125, 1.6875, 2.0, 2.0]


@pytest.mark.parametrize("word", ["completed", "failed"])
def test_a_finished_job_ends_the_wait_even_past_its_deadline(word: str) -> None:
    assert new_poll().observe(status(word), 1e9) == Finished(status(word))


@pytest.mark.parametrize("word", ["pending", "processing", "warming", "COMPLETED", "cancelled"])
def test_any_other_status_means_to_wait(word: str) -> None:
    assert new_poll().observe(status(word), 100.0) == Wait(0.5)


def test_a_change_of_the_status_is_reported_once() -> None:
    poll = new_poll()
    words = ["pending", "pending", "processing", "processing", "completed"]
    changes = []
    for word in words:
        poll.observe(status(word), 100.0)
        changes.append(poll.status_changed)
    assert changes == [True, False, True, False, True]
    poll.observe_error(DOWN, 100.0)
    assert not poll.status_changed


def test_a_wait_knows_when_its_job_was_last_running() -> None:
    poll = new_poll()
    assert poll.last_running is None
    poll.observe(status("pending"), 101.0)
    poll.observe_error(DOWN, 102.0)
    poll.observe(status("completed"), 103.0)
    assert poll.last_running == 101.0


# errors


@pytest.mark.parametrize(
    "error", [DOWN, TransportError("Cut off."), ConnectError("No network."), TransportTimeout("Silence."),
              ResponseError("Odd."), RateLimitError("HTTP 429.", status_code=429)],
)  # fmt: skip
def test_temporary_failures_are_retried_at_the_pace_of_the_retry_policy(error: Exception) -> None:
    assert pauses(new_poll(), "pending", *[error] * 7) == [0.5, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_a_status_ends_the_growth_of_the_pauses_after_failures() -> None:
    assert pauses(new_poll(), DOWN, DOWN, "pending", DOWN) == [0.5, 1.0, 1.125, 0.5]


@pytest.mark.parametrize(
    "error",
    [AuthenticationError("HTTP 401.", status_code=401), ConfigurationError("Bad proxy."),
     APIError("HTTP 301.", status_code=301), ServerError("HTTP 501.", status_code=501), ZeroDivisionError()],
)  # fmt: skip
def test_a_permanent_failure_ends_the_wait_at_once(error: Exception) -> None:
    assert new_poll(accepted=100.0).observe_error(error, 100.0) == Failed(error)


def test_retry_after_takes_precedence_over_our_pauses_and_over_what_was_learned() -> None:
    busy = RateLimitError("HTTP 429.", status_code=429, retry_after=7.0)
    assert pauses(new_poll(), "pending", busy, "pending") == [0.5, 7.0, 1.125]
    assert pauses(new_poll(accepted=100.0, expectation=LEARNED), busy) == [7.0]


def test_the_last_error_is_kept_for_the_message_until_a_status_is_seen() -> None:
    poll = new_poll()
    poll.observe_error(TransportError("Cut off."), 100.0)
    assert poll.last_error == "Cut off"
    poll.observe(status("pending"), 100.0)
    assert poll.last_error is None


# a job that is not visible yet


def test_a_job_that_is_not_visible_yet_gets_three_status_checks() -> None:
    poll = new_poll()
    assert pauses(poll, *[MISSING_JOB] * (MISSING - 1)) == [0.5, 1.0]
    assert poll.observe_error(MISSING_JOB, 101.5) == Failed(MISSING_JOB)


def test_only_404s_in_a_row_count() -> None:
    poll = new_poll()
    for _ in range(5):
        assert isinstance(advance(poll, MISSING_JOB, 100.0), Wait)
        assert isinstance(advance(poll, status("pending"), 100.0), Wait)


def test_404s_are_tolerated_until_30_seconds_after_the_job_was_accepted() -> None:
    poll = new_poll(accepted=90.0)
    for now in (100.0, 105.0, 110.0, 90.0 + VISIBLE_AFTER - 0.01):
        assert isinstance(poll.observe_error(MISSING_JOB, now), Wait)
    assert poll.observe_error(MISSING_JOB, 90.0 + VISIBLE_AFTER) == Failed(MISSING_JOB)


# the deadline


def test_the_last_pause_is_clipped_to_the_deadline() -> None:
    poll = new_poll(timeout=1.0)
    assert pauses(poll, "pending", "pending") == [0.5, 0.5]
    assert poll.observe(status("pending"), 101.0) == TimedOut()
    assert new_poll(timeout=1.0).observe_error(DOWN, 101.0) == TimedOut()


def test_a_wait_without_a_timeout_has_no_deadline() -> None:
    poll = new_poll(timeout=None)
    assert poll.deadline == math.inf
    assert poll.observe(status("pending"), 1e9) == Wait(0.5)


def test_nothing_remains_of_a_wait_after_its_deadline() -> None:
    poll = new_poll(timeout=10)
    assert poll.deadline == 110.0
    assert [poll.observe(status("pending"), now) for now in (109.75, 110.0, 111.0)] == [
        Wait(0.25),
        TimedOut(),
        TimedOut(),
    ]


# what was learned


def test_a_job_like_others_is_checked_rarely_at_first_and_then_often() -> None:
    poll = new_poll(accepted=100.0, expectation=LEARNED)
    seconds = pauses(poll, *["processing"] * 20)
    first = [pause for at, pause in zip(_times(seconds), seconds, strict=True) if at < LEARNED.earliest - 8]
    last = [pause for at, pause in zip(_times(seconds), seconds, strict=True) if at > LEARNED.typical][:3]
    assert min(first) > 2.0 > max(last)


def _times(seconds: Sequence[float]) -> list[float]:
    return [sum(seconds[:number]) for number in range(len(seconds))]


def test_nothing_is_expected_of_a_job_whose_age_is_unknown() -> None:
    assert pauses(new_poll(expectation=LEARNED), *["pending"] * 3) == [0.5, 0.75, 1.125]


# properties

OBSERVATIONS = st.one_of(
    st.sampled_from(["pending", "processing", "warming", "completed", "failed"]).map(status),
    st.sampled_from([DOWN, MISSING_JOB, TransportError("Cut."), AuthenticationError("No.", status_code=401)]),
    st.floats(allow_nan=True).map(lambda after: RateLimitError("Busy.", status_code=429, retry_after=after)),
)
POLLS = st.builds(
    JobPoll,
    job_id=st.just("j1"),
    started=st.floats(0, 1e9),
    policy=st.builds(
        PollPolicy,
        interval=st.floats(0.01, 100),
        backoff=st.floats(1, 100),
        max_interval=st.floats(0.01, 1000),
        jitter=st.floats(0, 1),
        timeout=st.floats(0, 100_000),
    ),
    retry=st.builds(RetryPolicy, interval=st.floats(0.01, 100), jitter=st.floats(0, 1)),
    accepted=st.one_of(st.none(), st.floats(0, 1e9)),
    expectation=st.one_of(st.none(), st.just(LEARNED)),
)


@given(POLLS, st.lists(st.tuples(OBSERVATIONS, st.floats(0, 1000)), max_size=30))
def test_no_observations_make_a_wait_outlive_its_deadline(
    poll: JobPoll, script: list[tuple[JobStatusResponse | Exception, float]]
) -> None:
    now = poll.started
    for seen, lasted in script:
        now += lasted  # of the status check
        step = advance(poll, seen, now)
        if not isinstance(step, Wait):
            break
        assert 0 <= step.seconds <= poll.deadline - now
        now += step.seconds


@given(
    POLLS.filter(lambda poll: poll.policy.jitter == 0 == poll.retry.jitter)
    | st.builds(new_poll, timeout=st.sampled_from([None, 5.0, 600.0]), accepted=st.sampled_from([None, 95.0])),
    st.lists(OBSERVATIONS.filter(lambda seen: not isinstance(seen, RateLimitError)), max_size=20),
    st.integers(0, 20),
)
def test_a_wait_that_was_written_down_continues_as_if_it_had_not_been(
    poll: JobPoll, script: list[JobStatusResponse | Exception], when: int
) -> None:
    now, copy = poll.started, poll
    for number, seen in enumerate(script):
        if number == when:
            copy = JobPoll.from_json(json.loads(json.dumps(poll.to_json())), "j1")
            assert copy == poll and copy is not poll
        step = advance(poll, seen, now)
        if copy is not poll:
            assert advance(copy, seen, now) == step
        if not isinstance(step, Wait):
            break
        now += step.seconds
    assert copy == poll


# states that were not written down by us


def test_the_state_of_a_wait_for_another_job_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="^state must be the state of the previous step for job j2"):
        JobPoll.from_json(new_poll().to_json(), "j2")


GOOD = new_poll(accepted=99.0, expectation=LEARNED).to_json()


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"job_id": "j1"},
        {name: value for name, value in GOOD.items() if name != "policy"},
        {**GOOD, "policy": {"interval": "soon"}},
        {**GOOD, "policy": 7},
        {**GOOD, "policy": []},
        {**GOOD, "policy": "slow"},
        {**GOOD, "policy": None},
        {**GOOD, "retry": None},
        {**GOOD, "status": {"job_id": "j1"}},
        {**GOOD, "status": "pending"},
        {**GOOD, "expectation": [1, 2]},
        {**GOOD, "expectation": {"earliest": "x", "typical": None, "latest": []}},
        {**GOOD, "expectation": {"earliest": 9, "typical": 9, "latest": 99}},
        {**GOOD, "started": "yesterday"},
        {**GOOD, "started": None},
        {**GOOD, "started": float("nan")},
        {**GOOD, "started": 10**400},
        {**GOOD, "accepted": float("inf")},
        {**GOOD, "checks": None},
        {**GOOD, "checks": "3"},
        {**GOOD, "checks": -1},
        {**GOOD, "failures": -(10**400)},
        {**GOOD, "failures": 1.5e400},
        {**GOOD, "missing": []},
        {**GOOD, "accepted": "x"},
        {**GOOD, "last_running": {}},
        {**GOOD, "last_error": 7},
        {**GOOD, "status_changed": "no"},
        [],
        "state",
        7,
    ],
    ids=lambda state: str(state)[-60:],
)
def test_a_malformed_state_is_refused(state: Any) -> None:
    with pytest.raises(InvalidInputError, match="^state must be the state of the previous step for job j1"):
        JobPoll.from_json(state, "j1")


@pytest.mark.parametrize("part", ["policy", "retry", "expectation", None])
def test_what_a_newer_version_added_to_a_state_is_ignored(part: str | None) -> None:
    newer = {**GOOD, part: {**GOOD[part], "more": 1}} if part else {**GOOD, "more": 1}
    assert JobPoll.from_json(newer, "j1") == JobPoll.from_json(GOOD, "j1")


def test_the_state_is_made_of_json_values_only() -> None:
    poll = new_poll(accepted=99.0, expectation=LEARNED)
    poll.observe(status("processing", model="lucy-pro-t2v", elapsed=1.0), 100.0)
    state = poll.to_json()
    assert json.loads(json.dumps(state)) == state
    again = JobPoll.from_json(state, "j1")
    assert again.status == poll.status and again.status is not None
    assert (again.status.model, again.status.elapsed) == ("lucy-pro-t2v", 1.0)
