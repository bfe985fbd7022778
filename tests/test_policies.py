"""`decart.policies`: when to ask again, how long to wait, and when to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakes import LAKE, FakeTransport, accepted, always, answer, client_of
from tenacity import Retrying

from decart import (
    APIError,
    ConnectError,
    DecartSDKError,
    InvalidInputError,
    PollPolicy,
    RateLimitError,
    ResponseError,
    RetryPolicy,
    ServerError,
    TransportError,
    TransportTimeout,
)
from decart.config import settings as client_settings
from decart.policies import Deadline, outcome_unknown, pause, repeat_read, repeat_submit, retry_after, retrying
from decart.reporter import Reporter

FOREVER = float("inf")


def api(status: int, after: float | None = None, kind: type[APIError] = APIError) -> APIError:
    return kind(f"HTTP {status}.", None, None, status, None, "", None, after)


# what the numbers may be


@pytest.mark.parametrize("policy", [RetryPolicy, PollPolicy])
@pytest.mark.parametrize("value", ["1", True, float("nan"), FOREVER, -1, None])
@pytest.mark.parametrize("name", ["interval", "backoff", "max_interval", "jitter", "timeout"])
def test_a_policy_takes_finite_numbers_in_their_bounds(policy: type, value: Any, name: str) -> None:
    if (name, value) == ("timeout", None):
        assert policy(timeout=None).timeout is None
        return
    with pytest.raises(InvalidInputError, match=f"{policy.__name__}: {name} must be a number, "):
        policy(**{name: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"attempts": 0}, "attempts must be a number, 1 to 1000, not 0"),
        ({"attempts": 1001}, "1 to 1000"),
        ({"interval": 0}, "interval must be a number, 0.01 to 2000000, not 0"),
        ({"backoff": 0.9}, "1 to 100"),
        ({"jitter": 1.1}, "0 to 1"),
    ],
)
def test_the_bounds_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        RetryPolicy(**values)


class Odd:
    """An object whose every method fails."""

    def _fail(self, *args: object) -> Any:
        raise KeyError("odd")

    __repr__ = __float__ = __index__ = __int__ = __eq__ = __le__ = __ge__ = __bool__ = __hash__ = _fail  # type: ignore


STRANGE = [
    *(10**400, -(10**400), 10**5000, 1e308, -FOREVER, Decimal("NaN"), Decimal("sNaN"), Decimal("1E+999"), 1j, Odd()),
    *(
        np.bool_(True),
        np.array([1.0, 2.0]),
        np.array([[1.0], [2.0]]),
        np.float64("nan"),
        np.float32("inf"),
        [],
        {},
        b"1",
    ),
]


@pytest.mark.parametrize("policy", [RetryPolicy, PollPolicy])
@pytest.mark.parametrize("name", ["interval", "backoff", "max_interval", "jitter", "timeout"])
@pytest.mark.parametrize("value", STRANGE, ids=lambda value: type(value).__name__)
def test_a_strange_number_is_refused_in_one_line(policy: type, name: str, value: Any) -> None:
    with pytest.raises(InvalidInputError) as caught:
        policy(**{name: value})
    message = caught.value.message
    assert message.startswith(f"{policy.__name__}: {name} must be a number, ")
    assert message.isprintable() and len(message) < 300


@pytest.mark.parametrize("value", [Decimal("1"), Fraction(1), np.float32(1), np.float64(1), np.int64(1), np.uint8(1)])
@pytest.mark.parametrize("name", ["interval", "backoff", "max_interval", "jitter", "timeout"])
def test_a_number_of_another_library_becomes_pythons(name: str, value: Any) -> None:
    taken = getattr(PollPolicy(**{name: value}), name)
    assert taken == 1 and type(taken) in (int, float)


@given(st.floats(0.01, 2_000_000), st.floats(1, 100), st.floats(0.01, 2_000_000), st.integers(1, 10**9))
def test_no_policy_sleeps_longer_than_a_computer_can(interval: float, backoff: float, most: float, turn: int) -> None:
    policy = RetryPolicy(interval=interval, backoff=backoff, max_interval=most, timeout=None)
    assert 0 < pause(policy, turn) <= 2_000_000 < threading.TIMEOUT_MAX


@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_learn_is_true_or_false_and_nothing_else(value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"^PollPolicy: learn must be True or False, not {value!r}.$"):
        PollPolicy(learn=value)


def test_the_defaults_are_the_documented_ones_and_a_policy_is_changed_with_evolve() -> None:
    assert PollPolicy() == PollPolicy(
        interval=0.5, backoff=1.5, max_interval=2.0, jitter=0.1, timeout=600.0, learn=True
    )
    assert attrs.evolve(RetryPolicy(), attempts=8).attempts == 8
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        PollPolicy().timeout = 1  # type: ignore[misc]


# the deadline


def test_a_deadline_counts_down_and_clips_and_leaves_a_last_request_one_second() -> None:
    clock = FakeTransport(start=100.0)
    deadline = Deadline.after(10, clock.now)
    assert (deadline.remaining(), deadline.clip(3), deadline.clip(30), deadline.passed()) == (10, 3, 10, False)
    assert deadline.for_request() == 10
    clock.sleep(9.5)
    assert deadline.for_request() == 1.0
    clock.sleep(0.4995)
    assert deadline.passed()  # half a millisecond is not worth another sleep
    clock.sleep(5)
    assert (deadline.remaining(), deadline.clip(3), deadline.passed(), deadline.for_request()) == (0, 0, True, 1.0)


def test_no_deadline_never_passes() -> None:
    deadline = Deadline.after(None, FakeTransport().now)
    assert (deadline.remaining(), deadline.clip(3), deadline.passed(), deadline.for_request()) == (
        FOREVER, 3, False, FOREVER,
    )  # fmt: skip


# the pause


def test_pauses_grow_by_the_backoff_up_to_the_cap() -> None:
    assert [pause(PollPolicy(), turn) for turn in range(1, 7)] == [0.5, 0.75, 1.125, 1.6875, 2.0, 2.0]
    assert pause(PollPolicy(), 1_000_000) == 2.0
    assert [pause(PollPolicy(backoff=1, interval=1.5), turn) for turn in (1, 9)] == [1.5, 1.5]


def test_chance_takes_no_more_off_a_pause_than_the_jitters_share() -> None:
    assert pause(PollPolicy(jitter=0.1), 9, chance=1.0) == pytest.approx(1.8)
    assert pause(PollPolicy(jitter=0), 9, chance=1.0) == 2.0


def test_retry_after_is_never_shorter_than_the_first_pause_of_ours() -> None:
    assert retry_after(None, RetryPolicy()) is None
    assert retry_after(api(429), RetryPolicy()) is None
    assert retry_after(api(429, 0.0), RetryPolicy(interval=0.5)) == 0.5
    assert retry_after(api(429, 30.0), RetryPolicy()) == 30.0


@pytest.mark.parametrize("asked", [1e308, 253_402_300_799.0, 10**400, FOREVER])
def test_an_absurd_retry_after_is_a_day(asked: Any) -> None:
    assert retry_after(api(429, asked), RetryPolicy()) == 86_400


@pytest.mark.parametrize("asked", [-1, -1e308, -FOREVER, 0, -(10**400)])
def test_a_retry_after_in_the_past_is_the_first_pause_of_ours(asked: Any) -> None:
    assert retry_after(api(429, asked), RetryPolicy(interval=0.5)) == 0.5


@pytest.mark.parametrize("asked", [float("nan"), "soon", "5", True, [], b"1", object(), 1j])
def test_a_retry_after_that_is_no_number_was_not_said(asked: Any) -> None:
    assert retry_after(api(429, asked), RetryPolicy()) is None


HEADERS = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    st.floats().map(str),
    st.integers().map(str),
    st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT")),
    st.sampled_from(["Fri, 31 Dec 9999 23:59:59 GMT", "1e308", "-1", "Mon, 01 Jan 0001 00:00:00 +2359", "inf", "nan"]),
)


@settings(deadline=None)
@given(HEADERS, st.floats(0, 2_000_000))
def test_whatever_retry_after_says_a_wait_ends_by_its_deadline(header: str, timeout: float) -> None:
    transport = FakeTransport(accepted(), always(lambda: answer(503, retry_after=header)))
    pause = max(0.01, timeout / 50)
    client = client_of(transport, retry=RetryPolicy(interval=pause, max_interval=pause))
    assert client.queue.submit_and_poll(LAKE, policy=PollPolicy(timeout=timeout)).timed_out
    assert transport.now() <= timeout
    assert all(seconds < threading.TIMEOUT_MAX for seconds in transport.sleeps)


@given(HEADERS)
def test_a_submit_that_may_take_for_ever_waits_no_more_than_a_day_for_whatever_retry_after_says(header: str) -> None:
    transport = FakeTransport(answer(429, retry_after=header), accepted())
    assert client_of(transport, retry=RetryPolicy(timeout=None)).queue.submit(LAKE).job_id == "j1"
    assert transport.now() <= 86_400


# what is worth repeating

TABLE = [
    # error, read again?, submit again?, outcome of a submit unknown?
    (ConnectError("x", None, None, False), True, True, False),
    (TransportError("x", None, None, False), True, True, False),
    (TransportTimeout("x"), True, False, True),
    (TransportError("x"), True, False, True),
    (ResponseError("x"), True, False, True),
    (api(429, None, RateLimitError), True, True, False),
    (api(429, 3.0, RateLimitError), True, True, False),
    (api(503, 3.0, ServerError), True, True, False),
    (api(503, None, ServerError), True, False, True),
    (api(500, 3.0, ServerError), True, False, True),
    (api(502, None, ServerError), True, False, True),
    (api(504, None, ServerError), True, False, True),
    (api(501, None, ServerError), False, False, False),
    (api(408), True, False, True),
    (api(425), True, False, False),
    *((api(status), False, False, True) for status in (101, 301, 307)),
    *((api(status), False, False, False) for status in (400, 401, 402, 403, 404, 405, 410, 413, 422)),
    (DecartSDKError("x"), False, False, False),
    (KeyboardInterrupt(), False, False, False),
]


@pytest.mark.parametrize(("error", "read", "submit", "unknown"), TABLE)
def test_what_is_repeated_depends_on_what_a_repeat_costs(
    error: BaseException, read: bool, submit: bool, unknown: bool
) -> None:
    assert (repeat_read(error), repeat_submit(error), outcome_unknown(error)) == (read, submit, unknown)
    assert not (submit and unknown)


# one exchange


REPORTER = Reporter(client_settings("dct_key", None, 60, None))


class Exchange:
    """An exchange that fails so many times, and notes when it was tried."""

    def __init__(self, *errors: Exception) -> None:
        self.clock = FakeTransport()
        self.errors = list(errors)
        self.tried: list[float] = []

    def __call__(self) -> str:
        self.tried.append(self.clock.now())
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    def run(
        self, seconds: float | None = 120, repeat: Callable[[BaseException], bool] = repeat_read, **policy: Any
    ) -> str:
        retry = RetryPolicy(**{"jitter": 0, **policy})
        deadline = Deadline.after(seconds, self.clock.now)
        return Retrying(sleep=self.clock.sleep, **retrying(retry, deadline, repeat, REPORTER))(self)


def test_an_exchange_is_repeated_after_growing_pauses_and_each_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "decart")
    exchange = Exchange(api(500), TransportError("cut"), ResponseError("odd"))
    assert exchange.run() == "done"
    assert exchange.tried == [0, 0.5, 1.5, 3.5]
    assert caplog.messages[0] == "attempt 1 failed (HTTP 500.); again in 0.5 s"
    assert len(caplog.messages) == 3


def test_after_the_last_attempt_the_error_itself_comes_out() -> None:
    last = api(503)
    exchange = Exchange(api(500), last)
    with pytest.raises(APIError) as caught:
        exchange.run(attempts=2)
    assert caught.value is last
    assert exchange.tried == [0, 0.5]


def test_what_is_not_worth_repeating_comes_out_at_once() -> None:
    exchange = Exchange(api(401))
    with pytest.raises(APIError):
        exchange.run()
    assert exchange.tried == [0]


def test_retry_after_beats_the_backoff() -> None:
    exchange = Exchange(api(429, 30.0), api(429, 0.0))
    assert exchange.run() == "done"
    assert exchange.tried == [0, 30, 30.5]


def test_a_retry_after_beyond_the_deadline_ends_it_at_once() -> None:
    exchange = Exchange(api(429, 121.0))
    with pytest.raises(APIError) as caught:
        exchange.run(seconds=120)
    assert (caught.value.retry_after, exchange.tried, exchange.clock.sleeps) == (121.0, [0], [])


def test_no_attempt_is_begun_after_the_deadline() -> None:
    exchange = Exchange(*(api(500) for _ in range(99)))
    with pytest.raises(APIError):
        exchange.run(seconds=1.2, attempts=99)
    assert exchange.tried == [0, 0.5, 1.2]


def test_jitter_takes_off_no_more_than_its_share() -> None:
    exchange = Exchange(*(api(500) for _ in range(9)))
    exchange.run(attempts=99, interval=1, backoff=1, jitter=0.25)
    assert all(0.75 <= seconds <= 1 for seconds in exchange.clock.sleeps)
    assert len(set(exchange.clock.sleeps)) > 1
