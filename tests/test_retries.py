"""`decart.policies.Exchange`: the retries of one exchange, the loop that makes them, and when every call ends."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakes import (
    LAKE,
    SILENCE,
    FakeTransport,
    Takes,
    accepted,
    always,
    client_of,
    make_response,
    status,
)

from decart import (
    APIError,
    ConnectError,
    EventHook,
    NotFoundError,
    PollPolicy,
    QueueStatusError,
    ResponseError,
    RetryPolicy,
    TransportError,
    TransportTimeout,
)
from decart.events import Retry
from decart.policies import (
    LAST_REQUEST,
    TICK,
    VISIBLE_AFTER,
    Exchange,
    repeat_read,
    repeat_submit,
    seconds_until_visible,
)
from decart.transports.base import HttpRequest


def api(status: int, after: float | None = None, kind: type[APIError] = APIError) -> APIError:
    return kind(f"HTTP {status}.", status_code=status, retry_after=after)


def exchange(repeat: Callable[[BaseException], bool] = repeat_read, **policy: Any) -> Exchange:
    return Exchange(policy=RetryPolicy(**{"jitter": 0, **policy}), started=100.0, repeat=repeat)


def pauses(exchange: Exchange, *errors: Exception, accepted: float | None = None) -> list[float | None]:
    """Return the pauses after attempts that take no time and fail like this."""
    now, seconds = exchange.started, []
    for error in errors:
        seconds.append(exchange.pause_after(error, now, accepted))
        now += seconds[-1] or 0
    return seconds


def test_the_pauses_of_an_exchange_grow_and_end_after_the_last_attempt() -> None:
    errors = api(500), TransportError("cut"), ResponseError("odd"), api(500)
    assert pauses(exchange(), *errors) == [0.5, 1.0, 2.0, None]
    assert pauses(exchange(attempts=1), api(500)) == [None]


def test_an_exchange_that_is_not_worth_retrying_has_no_next_attempt() -> None:
    assert pauses(exchange(), api(401)) == [None]
    assert pauses(exchange(repeat_submit), TransportError("cut")) == [None]


def test_retry_after_takes_precedence_over_the_backoff() -> None:
    assert pauses(exchange(), api(429, 30.0), api(429, 0.0)) == [30, 0.5]


def test_a_retry_after_beyond_the_deadline_ends_an_exchange_at_once() -> None:
    assert pauses(exchange(timeout=120), api(429, 120.0)) == [120]
    assert pauses(exchange(timeout=120), api(429, 121.0)) == [None]
    assert pauses(exchange(timeout=None), api(429, 50_000.0)) == [50_000.0]


def test_no_attempt_begins_after_the_deadline() -> None:
    assert pauses(exchange(timeout=1.2, attempts=99), *[api(500)] * 3) == [0.5, pytest.approx(0.7), None]


def test_a_404_is_retried_until_the_job_must_be_visible_however_many_attempts_that_takes() -> None:
    missing = api(404, kind=NotFoundError)
    waiting = exchange(attempts=1)
    assert pauses(waiting, *[missing] * 5, accepted=99.0) == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert waiting.pause_after(missing, 99.0 + VISIBLE_AFTER, 99.0) is None
    assert exchange().pause_after(missing, 100.0) is None
    assert seconds_until_visible(missing, 100.0, 99.0) == VISIBLE_AFTER - 1
    assert seconds_until_visible(api(500), 100.0, 99.0) == 0


def test_no_retry_after_makes_a_404_last_longer_than_until_the_job_must_be_visible() -> None:
    missing = api(404, 80_000.0, kind=NotFoundError)
    assert pauses(exchange(attempts=1), missing, missing, accepted=90.0) == [20.0, None]


def test_a_404_is_not_repeated_after_the_deadline() -> None:
    missing = api(404, kind=NotFoundError)
    assert pauses(exchange(timeout=1.2), *[missing] * 3, accepted=99.0) == [0.5, pytest.approx(0.7), None]


# the loop


class Reports(EventHook):
    """It notes the retries that a client reports."""

    def __init__(self) -> None:
        self.retries: list[tuple[BaseException, int, float]] = []

    def retry(self, event: Retry) -> None:
        self.retries.append((event.error, event.attempt, event.seconds))


def test_after_each_failure_one_function_decides_and_the_retry_is_reported_before_the_pause() -> None:
    first, second, reports = ConnectError("no network"), TransportError("cut"), Reports()
    transport = FakeTransport(first, second, status("pending"))
    client = client_of(transport, retry=RetryPolicy(jitter=0), event_hooks=[reports])
    assert client.queue.status("j1").status == "pending"
    assert reports.retries == [(first, 1, 0.5), (second, 2, 1.0)]
    assert transport.sleeps == [0.5, 1.0]


def test_a_hook_may_make_another_call_of_the_same_client_while_one_is_being_repeated() -> None:
    class Nested(EventHook):
        def retry(self, event: Retry) -> None:
            seen.append(client.queue.status("j2").status)

    seen: list[str] = []
    transport = FakeTransport(ConnectError("no network"), status("processing", "j2"), status("pending"))
    client = client_of(transport, retry=RetryPolicy(jitter=0), event_hooks=[Nested()])
    assert client.queue.status("j1").status == "pending"
    assert seen == ["processing"]
    assert transport.sleeps == [0.5]


@pytest.mark.parametrize("last", [KeyboardInterrupt(), ZeroDivisionError(), SystemExit()])
def test_an_error_that_is_not_retried_is_raised_itself(last: BaseException) -> None:
    transport = FakeTransport(TransportError("cut"), last)
    with pytest.raises(type(last)) as caught:
        client_of(transport, retry=RetryPolicy(jitter=0)).queue.status("j1")
    assert caught.value is last
    assert transport.sleeps == [0.5]


def test_a_call_that_has_ended_keeps_nothing_alive_until_the_next_garbage_collection() -> None:
    class Failure(Exception):
        """It can be referred to weakly."""

    def fail(request: HttpRequest) -> NoReturn:
        raise Failure

    gc.collect()
    gc.disable()
    try:
        transport = FakeTransport(TransportError("cut"), fail)
        with pytest.raises(Failure) as caught:
            client_of(transport).queue.status("j1")
        seen = weakref.ref(transport), weakref.ref(caught.value)
        del transport, caught
        assert [reference() for reference in seen] == [None, None]
    finally:
        gc.enable()


# the promise of all that


TROUBLES = st.one_of(
    st.sampled_from([500, 503, 429, 425]).map(make_response),
    st.floats(0, 1e9).map(lambda seconds: make_response(503, retry_after=f"{seconds:.3f}"[:9])),
    st.floats(0, 100).map(lambda seconds: Takes(seconds, make_response(500))),
    st.sampled_from([SILENCE, ConnectError("no"), TransportTimeout("silence"), make_response(200, b"odd")]),
)


@settings(deadline=None)
@given(st.lists(TROUBLES, max_size=30), st.floats(0, 200), st.floats(0.01, 30))
def test_no_wait_outlives_its_deadline_by_more_than_one_request(
    script: list[Any], timeout: float, interval: float
) -> None:
    transport = FakeTransport(accepted(), *script, always(lambda: SILENCE))
    retry = RetryPolicy(interval=interval, max_interval=interval)
    assert client_of(transport, retry=retry).queue.submit_and_poll(LAKE, poll=PollPolicy(timeout=timeout)).timed_out
    assert transport.now() <= timeout + LAST_REQUEST + TICK


@settings(deadline=None)
@given(st.lists(TROUBLES, max_size=30), st.floats(0, 200), st.floats(1, 60))
def test_no_call_outlives_the_timeout_of_its_retries_by_more_than_one_request(
    script: list[Any], timeout: float, read: float
) -> None:
    transport = FakeTransport(*script, always(lambda: SILENCE))
    client = client_of(transport, timeout=read, retry=RetryPolicy(attempts=1000, timeout=timeout))
    with pytest.raises(QueueStatusError):
        client.queue.status("j1")
    longest = max(read, *(entry.seconds for entry in script if isinstance(entry, Takes) and entry is not SILENCE), 0)
    assert transport.now() <= timeout + longest + TICK
