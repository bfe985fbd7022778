"""`decart.polling`: what one wait for a job has seen so far, and what follows from it."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from support.fakes import FakeTransport
from tenacity import Retrying

from decart import (
    APIError,
    AuthenticationError,
    JobStatusResponse,
    NotFoundError,
    PollPolicy,
    QueueJobResult,
    QueueStatusError,
    ResponseError,
    RetryPolicy,
    Timeout,
    TransportError,
    WaitCancelledError,
)
from decart._verbs import asking
from decart.config import settings
from decart.durations import Durations
from decart.pace import lesson
from decart.policies import Deadline
from decart.polling import Watch
from decart.protocol import status_call
from decart.reporter import Reporter


def api(status: int, after: float | None = None, kind: type[APIError] = APIError) -> APIError:
    return kind(f"HTTP {status}.", None, None, status, None, "", None, after)


def at(status: str) -> JobStatusResponse:
    return JobStatusResponse(job_id="j1", status=status)


class Look:
    """A wait whose looks are scripted: a status, or an error."""

    def __init__(
        self,
        *script: str | Exception,
        timeout: float | None = 600,
        known: str | None = None,
        start: float = 0,
        durations: tuple[float, ...] | None = None,
    ) -> None:
        self.clock = FakeTransport(start=start)
        self.script = list(script)
        self.times: list[float] = []
        self.told: list[str] = []
        self.watch = Watch(
            job_id="j1",
            question=status_call(settings("dct_key", None, 60, None), "j1"),
            poll=PollPolicy(jitter=0, timeout=timeout),
            retry=RetryPolicy(jitter=0),
            deadline=Deadline.after(timeout, self.clock.now),
            reporter=Reporter(settings("dct_key", None, 60, None)),
            known=at(known) if known else None,
        )
        self.memory = Durations()
        if durations is not None:  # of jobs like this one
            for number, seconds in enumerate(durations):
                self.memory.begin(f"before-{number}", ("a-model",), start)
                self.memory.took(f"before-{number}", seconds)
            self.memory.begin("j1", ("a-model",), start)
            self.watch.lesson = lesson(self.memory, "j1", self.watch.poll, self.clock.now)

    def run(self) -> None:
        for attempt in Retrying(sleep=self.clock.sleep, **self.watch.settings()):
            with attempt, asking("j1"):
                self.watch.saw(self.watch.take_known() or self._ask())
            if (news := self.watch.news()) is not None:
                self.told.append(news.status)

    def _ask(self) -> JobStatusResponse:
        self.times.append(self.clock.now())
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        return at(step)


def test_a_wait_ends_at_a_final_status_and_tells_each_change_once() -> None:
    look = Look("pending", "processing", "processing", "completed", known="pending")
    look.run()
    assert look.told == ["pending", "processing", "completed"]
    assert look.times == [0.5, 1.25, 2.375, 4.0625]


def test_a_status_that_is_known_and_final_needs_no_look() -> None:
    look = Look(known="failed")
    look.run()
    assert (look.times, look.told, look.clock.sleeps) == ([], ["failed"], [])


def test_a_change_is_news_once() -> None:
    watch = Look().watch
    assert watch.news() is None
    watch.saw(at("completed"))
    assert [watch.news(), watch.news()] == [at("completed"), None]


def test_a_wait_has_no_end_before_a_final_status() -> None:
    watch = Look().watch
    assert watch.ended() is None
    watch.saw(at("processing"))
    assert watch.ended() is None
    watch.saw(at("failed"))
    assert watch.ended() == at("failed")


def test_a_look_has_what_time_the_wait_has_left_unless_the_wait_was_cancelled() -> None:
    look = Look(timeout=5)
    assert look.watch.timeout(Timeout()) == Timeout(connect=5, read=5, total=5)
    look.watch.cancel = threading.Event()
    look.watch.cancel.set()
    with pytest.raises(WaitCancelledError):
        look.watch.timeout(Timeout())


def test_a_failed_look_is_repeated_at_the_pace_of_the_retry_policy_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "decart")
    look = Look("pending", api(500), TransportError("cut."), ResponseError("odd"), "pending", "completed")
    look.run()
    assert look.times == [0, 0.5, 1.0, 2.0, 4.0, 6.0]
    assert "a look at job j1 failed (cut.); again in 1.0 s" in caplog.messages


def test_a_job_that_is_not_visible_yet_gets_three_looks() -> None:
    missing = [api(404, None, NotFoundError) for _ in range(3)]
    look = Look(*missing[:2], "pending", *missing[:2], "completed")
    look.run()
    assert look.told == ["pending", "completed"]
    look = Look(*missing)
    with pytest.raises(QueueStatusError) as caught:
        look.run()
    assert isinstance(caught.value.cause, NotFoundError)
    assert len(look.times) == 3


def test_a_refused_key_ends_a_wait_at_the_first_look() -> None:
    look = Look(api(401, None, AuthenticationError))
    with pytest.raises(QueueStatusError) as caught:
        look.run()
    assert isinstance(caught.value.cause, AuthenticationError)
    assert len(look.times) == 1


def test_an_unknown_status_is_waited_on_and_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    look = Look("warming", "warming", "completed")
    look.run()
    assert caplog.messages == ["job j1 has a status unknown to this version, 'warming'; waiting on"]
    assert look.told == ["warming", "completed"]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ([], "its status was never seen"),
        (["processing"], "its last status was processing. "),
        (
            ["processing", TransportError("Cut off.")],
            "its last status was processing; the last look at it failed: Cut off. ",
        ),
        ([TransportError("Cut off."), "processing"], "its last status was processing. "),
    ],
)
def test_a_wait_that_ends_by_its_deadline_says_what_was_seen_and_how_to_resume(script: list[Any], told: str) -> None:
    look = Look(*script, timeout=(len(script) - 1) * 0.5 if script else 0)
    if script:
        look.run()
    result = look.watch.timed_out()
    assert isinstance(result, QueueJobResult)
    assert (result.status, result.timed_out, result.job_id, result.data) == ("failed", True, "j1", None)
    assert result.error is not None and told in result.error
    assert result.error.startswith("The wait for job j1 ended after ")
    assert "client.queue.poll('j1') waits for it again." in result.error


def test_the_error_of_a_cancelled_wait_carries_the_job() -> None:
    error = Look().watch.cancelled()
    assert error.job_id == "j1"
    assert "client.queue.poll('j1')" in error.message


# what was learned

TEN = (28.0, 31.0, 26.0, 35.0, 30.0, 24.0, 33.0, 29.0, 38.0, 30.0)


def test_the_first_jobs_of_a_kind_are_waited_for_at_the_default_pace_and_learned_from() -> None:
    look = Look("pending", "processing", "processing", "completed", known="pending", durations=())
    look.run()
    assert look.times == [0.5, 1.25, 2.375, 4.0625]
    assert look.memory.seen(("a-model",)) == (4.0625 - 1.28 / 2,)


def test_a_job_whose_like_are_known_is_looked_at_rarely_at_first_and_then_closely() -> None:
    look = Look(*["processing"] * 12, "completed", known="pending", durations=TEN)
    look.run()
    pauses = look.clock.sleeps
    assert look.times[:2] == [4.8, pytest.approx(10.2)]
    assert all(pause > 2 for pause in pauses[:3])
    assert all(0.5 <= pause <= 2 for pause in pauses[4:])
    assert pauses[4:] == sorted(pauses[4:], reverse=True)


def test_retry_after_and_the_pace_of_failures_beat_what_was_learned() -> None:
    look = Look(
        "processing", api(429, 7.0), api(500), TransportError("cut."), "completed", known="pending", durations=TEN
    )
    look.run()
    assert [round(pause, 3) for pause in look.clock.sleeps] == [4.8, 5.4, 7.0, 1.0, 2.0]


def test_the_deadline_clips_what_was_learned() -> None:
    look = Look("processing", "processing", known="pending", durations=TEN, timeout=6)
    look.run()
    assert look.times == [4.8, 6.0]
    assert look.watch.timed_out().timed_out
    assert look.memory.seen(("a-model",)) == TEN
