"""`decart.policies`: when to retry, how long to wait, and when to stop."""

from __future__ import annotations

import threading
from decimal import Decimal
from fractions import Fraction
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakes import LAKE, FakeTransport, accepted, always, client_of, make_response

from decart import (
    APIError,
    ConfigurationError,
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
from decart.policies import (
    next_pause,
    outcome_unknown,
    pause,
    repeat_read,
    repeat_submit,
    retry_after,
)

FOREVER = float("inf")


def api(status: int, after: float | None = None, kind: type[APIError] = APIError) -> APIError:
    return kind(f"HTTP {status}.", status_code=status, retry_after=after)


# what the numbers may be


@pytest.mark.parametrize("policy", [RetryPolicy, PollPolicy])
@pytest.mark.parametrize("value", ["1", True, float("nan"), FOREVER, -1, None])
@pytest.mark.parametrize("name", ["interval", "backoff", "max_interval", "jitter", "timeout"])
def test_a_policy_takes_finite_numbers_in_their_bounds(policy: type, value: Any, name: str) -> None:
    if (name, value) == ("timeout", None):
        assert policy(timeout=None).timeout is None
        return
    with pytest.raises(InvalidInputError, match=f"{policy.__name__}: {name} must be a number from "):
        policy(**{name: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"attempts": 0}, "attempts must be a number from 1 to 1000, not 0"),
        ({"attempts": 1001}, "from 1 to 1000"),
        ({"interval": 0}, "interval must be a number from 0.01 to 2000000, not 0"),
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
    assert message.startswith(f"{policy.__name__}: {name} must be a number from ")
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


def test_the_defaults_are_the_documented_ones_and_a_policy_is_changed_with_evolve() -> None:
    assert PollPolicy() == PollPolicy(interval=0.5, backoff=1.5, max_interval=2.0, jitter=0.1, timeout=600.0)
    assert RetryPolicy() == RetryPolicy(
        attempts=4, interval=0.5, backoff=2.0, max_interval=8.0, jitter=0.25, timeout=120.0
    )
    assert attrs.evolve(RetryPolicy(), attempts=8).attempts == 8
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        PollPolicy().timeout = 1  # type: ignore[misc]


# the pause


def test_pauses_grow_by_the_backoff_up_to_the_cap() -> None:
    assert [pause(PollPolicy(), turn) for turn in range(1, 7)] == [0.5, 0.75, 1.125, 1.6875, 2.0, 2.0]
    assert pause(PollPolicy(), 1_000_000) == 2.0
    assert [pause(PollPolicy(backoff=1, interval=1.5), turn) for turn in (1, 9)] == [1.5, 1.5]


def test_chance_takes_no_more_off_a_pause_than_the_jitters_share() -> None:
    assert pause(PollPolicy(jitter=0.1), 9, chance=1.0) == pytest.approx(1.8)
    assert pause(PollPolicy(jitter=0), 9, chance=1.0) == 2.0


def test_retry_after_is_never_shorter_than_our_first_pause() -> None:
    assert retry_after(None, RetryPolicy()) is None
    assert retry_after(api(429), RetryPolicy()) is None
    assert retry_after(api(429, 0.0), RetryPolicy(interval=0.5)) == 0.5
    assert retry_after(api(429, 30.0), RetryPolicy()) == 30.0


@pytest.mark.parametrize("asked", [1e308, 253_402_300_799.0, 10**400, FOREVER])
def test_an_absurd_retry_after_is_a_day(asked: Any) -> None:
    assert retry_after(api(429, asked), RetryPolicy()) == 86_400


@pytest.mark.parametrize("asked", [-1, -1e308, -FOREVER, 0, -(10**400)])
def test_a_retry_after_in_the_past_is_our_first_pause(asked: Any) -> None:
    assert retry_after(api(429, asked), RetryPolicy(interval=0.5)) == 0.5


@pytest.mark.parametrize("asked", [float("nan"), "soon", "5", True, [], b"1", object(), 1j])
def test_a_retry_after_that_is_not_a_number_is_ignored(asked: Any) -> None:
    assert retry_after(api(429, asked), RetryPolicy()) is None


HEADERS = st.one_of(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    st.floats().map(str),
    st.integers().map(str),
    st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT")),
    st.sampled_from(["Fri, 31 Dec 9999 23:59:59 GMT", "1e308", "-1", "Mon, 01 Jan 0001 00:00:00 +2359", "inf", "nan"]),
)


def test_the_next_pause_is_the_servers_or_else_ours() -> None:
    policy = RetryPolicy(jitter=0)
    assert [next_pause(policy, turn, None) for turn in (1, 2, 9)] == [0.5, 1.0, 8.0]
    assert next_pause(policy, 9, api(429, 30.0)) == 30.0
    jittered = {next_pause(RetryPolicy(jitter=0.25, interval=1), 1, None) for _ in range(99)}
    assert len(jittered) > 1 and all(0.75 <= seconds <= 1 for seconds in jittered)


@settings(deadline=None)
@given(HEADERS, st.floats(0, 2_000_000))
def test_whatever_retry_after_says_a_wait_ends_by_its_deadline(header: str, timeout: float) -> None:
    transport = FakeTransport(accepted(), always(lambda: make_response(503, retry_after=header)))
    pause = max(0.01, timeout / 50)
    client = client_of(transport, retry=RetryPolicy(interval=pause, max_interval=pause))
    assert client.queue.submit_and_poll(LAKE, poll=PollPolicy(timeout=timeout)).timed_out
    assert transport.now() <= timeout
    assert all(seconds < threading.TIMEOUT_MAX for seconds in transport.sleeps)


@given(HEADERS)
def test_a_submit_without_a_deadline_waits_a_day_at_most_whatever_retry_after_says(header: str) -> None:
    transport = FakeTransport(make_response(429, retry_after=header), accepted())
    assert client_of(transport, retry=RetryPolicy(timeout=None)).queue.submit(LAKE).job_id == "j1"
    assert transport.now() <= 86_400


# what is worth repeating

TABLE = [
    # error, repeat a read?, repeat a submit?, outcome of a submit unknown?
    (ConnectError("x"), True, True, False),
    (TransportError("x", may_have_been_sent=False), True, True, False),
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
    (ConfigurationError("x"), False, False, False),
    (DecartSDKError("x"), False, False, False),
    (KeyboardInterrupt(), False, False, False),
]


@pytest.mark.parametrize(("error", "read", "submit", "unknown"), TABLE)
def test_what_is_retried_depends_on_the_cost_of_a_retry(
    error: BaseException, read: bool, submit: bool, unknown: bool
) -> None:
    assert (repeat_read(error), repeat_submit(error), outcome_unknown(error)) == (read, submit, unknown)
    assert not (submit and unknown)
