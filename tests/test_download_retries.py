"""`decart.downloads.Download`: which attempts count as failures, how long the pauses are, and when it gives up."""

from __future__ import annotations

import math

import pytest
from support.downloads import (
    CUT,
    SIZE,
    VIDEO,
    complete,
    cut_at,
    feed,
    new_download,
    part,
)

from decart import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    RateLimitError,
    RetryPolicy,
    ServerError,
    TransportError,
)
from decart.policies import VISIBLE_AFTER


def test_only_attempts_that_receive_no_data_count_as_failures() -> None:
    download = cut_at(300)
    pauses = []
    for size in (301, 302, 303):
        download.observe_head(part(size - 1, SIZE - 1))
        feed(download, VIDEO[size - 1 : size])
        pauses.append(download.pause_after(CUT, 0.0))
    assert pauses == [0.5, 0.5, 0.5]
    assert [download.pause_after(CUT, 0.0) for _ in range(4)] == [0.5, 1.0, 2.0, None]


def test_what_an_earlier_download_received_is_no_progress_of_this_one() -> None:
    download = new_download(retry=RetryPolicy(attempts=2, jitter=0))
    download.resume(300, SIZE, '"v1"')
    assert [download.pause_after(CUT, 0.0) for _ in range(2)] == [0.5, None]


def test_a_stream_that_breaks_off_and_cannot_be_continued_is_not_requested_again() -> None:
    download = new_download(restartable=False)
    download.observe_head(complete(etag=""))
    feed(download, VIDEO[:1])
    assert download.pause_after(CUT, 0.0) is None


def test_each_attempt_that_receives_data_postpones_the_end() -> None:
    download = new_download(give_up=120.0)
    download.observe_head(complete())
    feed(download, VIDEO[:1])
    assert download.pause_after(CUT, 119.0) == 0.5
    assert download.give_up == 239.0
    assert download.pause_after(CUT, 240.0) is None
    endless = new_download(retry=RetryPolicy(jitter=0, timeout=None))
    endless.observe_head(complete())
    feed(endless, VIDEO[:1])
    assert endless.pause_after(CUT, 1e9) == 0.5 and endless.give_up == math.inf


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (CUT, 0.5),
        (ServerError("HTTP 500.", status_code=500), 0.5),
        (RateLimitError("HTTP 429.", status_code=429, retry_after=7.0), 7.0),
        (RateLimitError("HTTP 429.", status_code=429, retry_after=101.0), None),
        (AuthenticationError("HTTP 401.", status_code=401), None),
        (NotFoundError("HTTP 404.", status_code=404), None),
        (APIError("HTTP 301.", status_code=301), None),
        (ConfigurationError("Bad proxy."), None),
        (OSError("The disk is full."), None),
    ],
)
def test_an_error_is_retried_if_it_may_be_temporary(error: Exception, pause: float | None) -> None:
    assert new_download(deadline=100.0).pause_after(error, 0.0) == pause
    assert new_download(deadline=100.0).pause_after(error, 100.0) is None


def test_no_attempt_begins_after_the_time_for_attempts_without_data() -> None:
    download = new_download(give_up=1.2)
    assert [download.pause_after(TransportError("Cut off."), now) for now in (0.0, 0.5, 1.2)] == [
        0.5,
        pytest.approx(0.7),
        None,
    ]


def test_a_404_right_after_the_job_was_accepted_is_retried() -> None:
    missing = NotFoundError("HTTP 404.", status_code=404)
    assert new_download(accepted=0.0).pause_after(missing, VISIBLE_AFTER - 1) == 0.5
    assert new_download(accepted=0.0).pause_after(missing, VISIBLE_AFTER) is None
    assert new_download(accepted=0.0, deadline=5.0).pause_after(missing, 5.0) is None


def test_a_retry_after_of_a_404_does_not_delay_a_download_longer_than_until_the_job_must_be_visible() -> None:
    missing = NotFoundError("HTTP 404.", status_code=404, retry_after=80_000.0)
    assert new_download(accepted=0.0).pause_after(missing, 10.0) == VISIBLE_AFTER - 10
    assert new_download(accepted=0.0, deadline=12.0).pause_after(missing, 10.0) == 2
