"""`queue.poll` and `submit_and_poll`: the schedule, the deadline, and the failures that a wait survives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from support.fakes import (
    MP4,
    SILENCE,
    FakeTransport,
    Takes,
    accepted,
    always,
    client_of,
    make_response,
    status,
    video,
)
from support.queues import OWN, POLL, RETRY, connect_error, queue_of

from decart import (
    NotFoundError,
    PollPolicy,
    QueueResultError,
    QueueStatusError,
    Timeout,
    TransportError,
)
from decart.policies import LAST_REQUEST


def test_the_schedule_of_the_status_checks() -> None:
    queue, transport = queue_of(accepted(), *(status("processing") for _ in range(6)), status("failed"))
    queue.submit_and_poll(OWN)
    assert transport.sleeps == [0.5, 0.75, 1.125, 1.6875, 2.0, 2.0, 2.0]
    assert transport.check_times() == [0.5, 1.25, 2.375, 4.0625, 6.0625, 8.0625, 10.0625]


def test_poll_of_another_processs_job_checks_at_once_and_then_on_the_same_schedule() -> None:
    queue, transport = queue_of(status("pending"), status("pending"), status("completed"), video())
    assert queue.poll("j1").data == MP4
    assert transport.check_times() == [0, 0.5, 1.25]


def test_a_constant_interval() -> None:
    queue, transport = queue_of(*(status("pending") for _ in range(3)), status("failed"))
    queue.poll("j1", poll=PollPolicy(interval=1.5, backoff=1.0, jitter=0))
    assert transport.sleeps == [1.5, 1.5, 1.5]


def test_jitter_takes_off_no_more_than_its_share() -> None:
    queue, transport = queue_of(always(lambda: status("pending")))
    queue.poll("j1", poll=PollPolicy(interval=1, backoff=1, jitter=0.1, timeout=60))
    assert all(0.9 <= seconds <= 1 for seconds in transport.sleeps[:-1])
    assert len(set(transport.sleeps)) > 10


def test_after_ten_minutes_a_wait_returns_how_to_resume_it() -> None:
    queue, transport = queue_of(Takes(30, accepted()), always(lambda: status("processing")))
    result = queue.submit_and_poll(OWN)
    assert (result.status, result.timed_out, result.data, result.job_id) == ("failed", True, None, "j1")
    assert result.error == (
        "The wait for job j1 ended after 600 s; its last status was processing. "
        "The job may still finish, and is billed: client.queue.poll('j1') waits for it again."
    )
    assert transport.now() == 630.0  # counted from the accepted submit, and the last sleep was clipped
    assert transport.check_times()[-1] == 630.0
    assert transport.sleeps[-1] < 2.0


def test_a_server_silent_from_590_s_on_ends_the_wait_within_one_request() -> None:
    transport = FakeTransport(accepted(), always(lambda: status("processing") if transport.now() < 590 else SILENCE))
    result = client_of(transport, poll=POLL, retry=RETRY).queue.submit_and_poll(OWN)
    assert result.timed_out
    assert 600 <= transport.now() <= 600 + LAST_REQUEST
    assert "the last status check failed: The service went silent. The job may" in (result.error or "")


def test_each_status_check_has_no_more_time_than_the_wait_has_left() -> None:
    queue, transport = queue_of(always(lambda: status("pending")), timeout=Timeout(connect=3, read=5))
    queue.poll("j1", poll=PollPolicy(interval=4, backoff=1, max_interval=4, timeout=10, jitter=0))
    assert [request.timeout for request in transport.requests] == [
        Timeout(connect=3, read=5, total=10),
        Timeout(connect=3, read=5, total=6),
        Timeout(connect=2, read=2, total=2),
        Timeout(connect=1, read=1, total=1),
    ]


def test_a_job_that_ends_at_the_last_status_check_is_still_fetched() -> None:
    queue, transport = queue_of(status("pending"), Takes(0.9, status("completed")), Takes(300, video()))
    result = queue.poll("j1", poll=attrs.evolve(POLL, timeout=0.5))
    assert result.data == MP4
    assert transport.requests[-1].timeout.total is None  # a healthy download is not cut


def test_a_failed_download_is_not_retried_after_the_deadline() -> None:
    queue, transport = queue_of(status("pending"), Takes(0.9, status("completed")), make_response(500))
    with pytest.raises(QueueResultError):
        queue.poll("j1", poll=attrs.evolve(POLL, timeout=0.5))
    assert transport.now() == pytest.approx(1.4)


def test_no_timeout_waits_for_as_long_as_it_takes() -> None:
    queue, transport = queue_of(*(status("pending") for _ in range(3000)), status("failed", error="at last"))
    assert queue.poll("j1", poll=PollPolicy(timeout=None)).error == "at last"
    assert transport.now() > 5000
    assert transport.requests[0].timeout == Timeout()


NOON = "Wed, 21 Oct 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    "headers", [{"retry_after": "30"}, {"retry_after": "Wed, 21 Oct 2026 12:00:30 GMT", "date": NOON}]
)
@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_beats_the_backoff_of_a_wait(code: int, headers: dict[str, str]) -> None:
    queue, transport = queue_of(make_response(code, **headers), status("failed"))
    queue.poll("j1")
    assert transport.check_times() == [0, 30]


def test_retry_after_does_not_beat_the_deadline() -> None:
    queue, transport = queue_of(always(lambda: make_response(429, retry_after="3600")))
    result = queue.poll("j1")
    assert result.timed_out
    assert transport.check_times() == [0, 600]


def test_a_retry_after_of_zero_does_not_make_us_hammer() -> None:
    queue, transport = queue_of(always(lambda: make_response(429, retry_after="0")))
    assert queue.poll("j1").timed_out
    assert set(transport.sleeps) == {0.5}
    assert len(transport.requests) == 1201


SURVIVED = [
    lambda: make_response(500),
    lambda: make_response(502, b"<html>"),
    lambda: make_response(503),
    lambda: make_response(504),
    lambda: make_response(429),
    lambda: make_response(408),
    lambda: TransportError("reset"),
    connect_error,
    lambda: SILENCE,
    lambda: make_response(200, b"<html>"),
    lambda: make_response(200, b'{"status"'),
    lambda: make_response(200, {"status": 3}),
    lambda: status("completed", job_id="other"),
]


@pytest.mark.parametrize("failure", SURVIVED)
def test_a_wait_survives_failed_status_checks_and_continues_to_completion(failure: Callable[[], Any]) -> None:
    queue, _ = queue_of(
        accepted(), *(failure() for _ in range(6)), status("processing"), failure(), status("completed"), video()
    )
    assert queue.submit_and_poll(OWN).data == MP4


def test_the_pace_after_failures_restarts_with_each_series_of_them() -> None:
    queue, transport = queue_of(
        status("pending"),
        make_response(500),
        make_response(500),
        status("pending"),
        make_response(500),
        status("failed"),
    )
    queue.poll("j1")
    assert transport.sleeps == [0.5, 0.5, 1.0, 1.6875, 0.5]


def test_a_404_of_a_job_submitted_elsewhere_is_tolerated_a_few_times_and_then_believed() -> None:
    queue, transport = queue_of(make_response(404), make_response(404), status("failed"))
    assert queue.poll("j1").status == "failed"
    queue, transport = queue_of(always(lambda: make_response(404, {"detail": "Job not found"})))
    with pytest.raises(QueueStatusError, match="The status of job j1 could not be read: .*Job not found") as caught:
        queue.poll("j1")
    assert (caught.value.job_id, type(caught.value.cause)) == ("j1", NotFoundError)
    assert len(transport.check_times()) == 3


def test_a_404_of_a_job_that_was_just_accepted_is_tolerated_for_30_s() -> None:
    queue, transport = queue_of(accepted(), always(lambda: make_response(404, {"detail": "Job not found"})))
    with pytest.raises(QueueStatusError, match="Job not found"):
        queue.submit_and_poll(OWN)
    *tolerated, last = transport.check_times()
    assert len(tolerated) > 3 and tolerated[-1] < 30 <= last


@pytest.mark.parametrize("verb", ["status", "result"])
def test_a_404_of_a_job_that_was_just_accepted_is_retried_by_other_calls_too(verb: str) -> None:
    queue, transport = queue_of(accepted(), *[make_response(404) for _ in range(5)], status("failed"))
    assert getattr(queue, verb)(queue.submit(OWN)).status == "failed"


@pytest.mark.parametrize("code", [301, 400, 401, 402, 403, 410, 422, 501])
def test_a_refusal_ends_a_wait_at_once(code: int, caplog: pytest.LogCaptureFixture) -> None:
    queue, transport = queue_of(accepted(), make_response(code))
    with pytest.raises(QueueStatusError) as caught:
        queue.submit_and_poll(OWN)
    assert (caught.value.job_id, caught.value.status_code) == ("j1", code)
    assert len(transport.check_times()) == 1
    assert caplog.messages == []  # the error carries the job itself


def test_an_unknown_status_is_kept_waited_on_and_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    queue, _ = queue_of(accepted(), *(status("warming_up") for _ in range(4)), status("completed"), video())
    seen: list[str] = []
    assert queue.submit_and_poll(OWN, on_status_change=lambda job: seen.append(job.status)).data == MP4
    assert seen == ["pending", "warming_up", "completed"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "'warming_up'" in caplog.messages[0]


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_a_submit_response_with_a_final_status_needs_no_status_check(end: str) -> None:
    queue, transport = queue_of(accepted(status=end), video())
    seen: list[str] = []
    assert queue.submit_and_poll(OWN, on_status_change=lambda job: seen.append(job.status)).status == end
    assert (transport.check_times(), transport.sleeps, seen) == ([], [], [end])
