"""How a pool slows down and speeds up: the window of submits, the budget of repeats, and the retries of a submit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decart import APIError, ConnectError, RateLimitError, RetryPolicy, ServerError, TransportError
from decart.pool.throttle import LONGEST_DELAY, MOST_TOKENS, RetryBudget, SubmitRetries, SubmitWindow, is_throttled

POLICY = RetryPolicy(jitter=0)
BUSY = RateLimitError("Too many.", status_code=429)
AWAY = ServerError("Away.", status_code=503, retry_after=7.0)
NO_CONNECTION = ConnectError("No connection.", may_have_been_sent=False)


def test_a_refusal_halves_what_is_in_flight_once_for_all_submits_of_a_round() -> None:
    window = SubmitWindow(20)
    numbers = [window.begin() for _ in range(4)]
    for number in numbers:
        window.refused(number, 16)
    assert window.size == 8.0
    window.refused(window.begin(), 8)
    assert window.size == 4.0


def test_the_window_grows_by_one_for_each_window_of_accepted_submits() -> None:
    window = SubmitWindow(20)
    window.refused(window.begin(), 20)
    for _ in range(10):
        window.accepted()
    assert 10.9 < window.size < 11
    for _ in range(1000):
        window.accepted()
    assert window.size == 20.0


def test_after_an_outage_the_window_soon_has_half_of_its_size_again() -> None:
    window = SubmitWindow(100)
    for _ in range(20):
        window.refused(window.begin(), 100)
    assert window.size == 1.0
    for _ in range(50):
        window.accepted()
    assert 50 <= window.size < 51


@given(st.integers(1, 50), st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=200))
def test_the_window_never_leaves_its_bounds(most: int, events: list[tuple[bool, int]]) -> None:
    window = SubmitWindow(most)
    for accepted, in_flight in events:
        number = window.begin()
        if accepted:
            window.accepted()
        else:
            window.refused(number, in_flight)
        assert 1 <= window.size <= most


def spend(budget: RetryBudget, now: float, most: int = 1000) -> int:
    """Repeat as much as the budget allows at this time; return how much that was."""
    for done in range(most):
        if budget.ready_at(now, now) > now:
            return done
        budget.take()
    return most


def test_a_budget_that_is_empty_gives_one_repeat_a_second() -> None:
    budget = RetryBudget()
    assert spend(budget, 0.0) == MOST_TOKENS
    assert budget.ready_at(0.0, 0.0) == 1.0
    assert [spend(budget, float(now)) for now in range(1, 6)] == [1] * 5


def test_each_success_gives_a_little_back_and_a_repeat_that_succeeds_gives_two() -> None:
    budget = RetryBudget()
    spend(budget, 0.0)
    for _ in range(9):
        budget.succeeded(repeat=False)
    assert spend(budget, 0.0) == 0
    budget.succeeded(repeat=False)
    budget.succeeded(repeat=True)
    assert spend(budget, 0.0) in (2, 3)  # ten times 0.1 may be slightly less than 1
    for _ in range(100):
        budget.succeeded(repeat=True)
    assert spend(budget, 0.0) == MOST_TOKENS


def test_a_budget_delays_a_repeat_for_so_long_only() -> None:
    budget = RetryBudget()
    spend(budget, 100.0)
    assert budget.ready_at(100.0 - LONGEST_DELAY, 100.0) == 100.0


@pytest.mark.parametrize(
    ("error", "throttled"),
    [
        (BUSY, True),
        (ServerError("Away.", status_code=503), True),
        (ServerError("Broken.", status_code=500), False),
        (NO_CONNECTION, False),
    ],
)
def test_only_429_and_503_ask_to_slow_down(error: APIError | TransportError, throttled: bool) -> None:
    assert is_throttled(error) is throttled


def test_a_submit_that_is_refused_for_now_is_repeated_without_end() -> None:
    retries = SubmitRetries(policy=POLICY, started=0.0)
    pauses = [retries.pause_after(BUSY, 1000.0 * turn) for turn in range(20)]
    assert pauses[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert pauses[6:] == [8.0] * 14
    assert retries.pause_after(AWAY, 20_000.0) == 7.0


def test_a_submit_without_a_connection_is_repeated_as_the_policy_says() -> None:
    retries = SubmitRetries(policy=POLICY, started=0.0)
    assert [retries.pause_after(NO_CONNECTION, 0.0) for _ in range(4)] == [0.5, 1.0, 2.0, None]


def test_attempts_and_timeout_count_anew_after_a_refusal() -> None:
    retries = SubmitRetries(policy=POLICY, started=0.0)
    for _ in range(3):
        retries.pause_after(NO_CONNECTION, 0.0)
    retries.pause_after(BUSY, 500.0)
    assert retries.pause_after(NO_CONNECTION, 500.0) == 0.5


def test_a_submit_whose_outcome_is_unknown_is_not_repeated() -> None:
    retries = SubmitRetries(policy=POLICY, started=0.0)
    assert retries.pause_after(TransportError("Silence.", may_have_been_sent=True), 0.0) is None
    assert retries.pause_after(ServerError("Away.", status_code=503), 0.0) is None
