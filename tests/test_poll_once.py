"""`client.queue.poll_once`: many steps, in any processes, are one wait."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from support.fakes import (
    KEY,
    LAKE,
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

from decart import (
    AsyncDecartClient,
    ConnectError,
    DecartClient,
    DecartSDKError,
    EventHook,
    InvalidInputError,
    JobTimeoutError,
    NotFoundError,
    PollPolicy,
    QueueStatusError,
    RetryPolicy,
    TransportError,
)
from decart.emulator import VirtualEmulator
from decart.policies import LAST_REQUEST
from decart.transports.base import HttpRequest, HttpResponse

STEADY: dict[str, Any] = {"retry": RetryPolicy(jitter=0), "poll": PollPolicy(jitter=0)}


def steps(transport: FakeTransport, client: DecartClient | None = None, **settings: Any) -> Any:
    """Wait in steps, each with a new client and the state through JSON; return the last step, or the error."""
    state = None
    client = client or client_of(transport, **{**STEADY, **settings})
    while True:
        try:
            step = client.queue.poll_once("j1", state)
        except DecartSDKError as error:
            return error
        if step.job is not None:
            return step
        assert step.wait > 0
        transport.sleep(step.wait)
        state = json.loads(json.dumps(step.state))
        client = client_of(transport, **{**STEADY, **settings})


def awaited_steps(transport: FakeTransport) -> Any:
    async def main() -> Any:
        state = None
        while True:
            async with AsyncDecartClient(KEY, transport=transport, **STEADY) as client:
                step = await client.queue.poll_once("j1", state)
            if step.job is not None:
                return step
            transport.sleep(step.wait)
            state = json.loads(json.dumps(step.state))

    return asyncio.run(main())


SCRIPTS: dict[str, list[Any]] = {
    "statuses": [*["pending"] * 2, *["processing"] * 7, "completed"],
    "a failed job": ["pending", "failed"],
    "unknown statuses": ["warming", "cooling", "completed"],
    "failures": ["pending", 500, 503, ConnectError("No network."), TransportError("Cut off."), "pending", "completed"],
    "failures at first": [502, 502, "completed"],
    "Retry-After": ["pending", (429, "7"), (503, "90"), "completed"],
    "slow responses": ["pending", 3.0, 40.0, "completed"],
    "silence": ["pending", SILENCE, "completed"],
    "not visible yet": [404, 404, "pending", 404, 404, "completed"],
}


def entries(script: list[Any]) -> list[Any]:
    """Return the responses of a script: statuses, codes, codes with Retry-After, and seconds that a response takes."""
    made: list[Any] = []
    for entry in script:
        if isinstance(entry, str):
            made.append(status(entry))
        elif isinstance(entry, int):
            made.append(make_response(entry))
        elif isinstance(entry, tuple):
            made.append(make_response(entry[0], retry_after=entry[1]))
        else:
            made.append(Takes(entry, status("processing")) if isinstance(entry, float) else entry)
    return made


@pytest.mark.parametrize("name", SCRIPTS)
def test_steps_make_the_same_status_checks_at_the_same_times_as_one_wait(name: str) -> None:
    one = FakeTransport(*entries(SCRIPTS[name]), video(), start=1000.0)
    client_of(one, **STEADY).queue.poll("j1")
    many = FakeTransport(*entries(SCRIPTS[name]), start=1000.0)
    step = steps(many)
    assert (step.job.status, step.wait) == (SCRIPTS[name][-1], 0.0)
    assert [(sent.at, sent.timeout) for sent in many.requests] == [
        (sent.at, sent.timeout) for sent in one.requests if not sent.path.endswith("/content")
    ]
    awaited = FakeTransport(*entries(SCRIPTS[name]), start=1000.0)
    assert awaited_steps(awaited).job == step.job
    assert awaited.check_times() == many.check_times()


@pytest.mark.parametrize("last", [401, 403, 501, 301])
def test_steps_end_as_a_wait_does_when_no_status_check_can_succeed(last: int) -> None:
    error = steps(FakeTransport(status("pending"), make_response(last)))
    assert isinstance(error, QueueStatusError)
    assert (error.job_id, error.status_code) == ("j1", last)


def test_a_job_that_stays_unknown_ends_the_steps() -> None:
    transport = FakeTransport(always(lambda: make_response(404)), start=1000.0)
    error = steps(transport)
    assert isinstance(error, QueueStatusError) and isinstance(error.cause, NotFoundError)
    assert transport.check_times() == [1000.0, 1000.5, 1001.5]


@pytest.mark.parametrize("seconds", [0.0, 1.0, 5.0, 600.0])
def test_steps_end_with_a_job_timeout_error_where_one_wait_times_out(seconds: float) -> None:
    poll = PollPolicy(jitter=0, timeout=seconds)
    one = FakeTransport(always(lambda: status("processing")), start=1000.0)
    result = client_of(one, **{**STEADY, "poll": poll}).queue.poll("j1")
    many = FakeTransport(always(lambda: status("processing")), start=1000.0)
    error = steps(many, poll=poll)
    assert isinstance(error, JobTimeoutError)
    assert (error.message, error.job_id) == (result.error, "j1")
    assert many.check_times() == one.check_times()


def test_the_last_status_check_may_outlive_the_deadline_by_one_second() -> None:
    transport = FakeTransport(always(lambda: SILENCE), start=1000.0)
    assert isinstance(steps(transport, poll=PollPolicy(timeout=5)), JobTimeoutError)
    assert transport.now() <= 1005 + LAST_REQUEST


def test_the_policy_of_the_first_step_is_that_of_the_wait() -> None:
    transport = FakeTransport(always(lambda: status("processing")), start=1000.0)
    client = client_of(transport, **STEADY)
    own = PollPolicy(interval=3, backoff=1, jitter=0, max_interval=3)
    first = client.queue.poll_once("j1", poll=own)
    second = client_of(transport).queue.poll_once("j1", first.state)
    assert (first.wait, second.wait) == (3, 3)


def test_the_steps_of_the_emulators_clients_are_on_its_virtual_clock() -> None:
    with VirtualEmulator() as emulator:
        job = emulator.client().queue.submit(LAKE)
        first = emulator.client().queue.poll_once(job, poll=PollPolicy(timeout=10))
        emulator.clock.advance(11)
        emulator.faults.add("status:503,on=status")
        with pytest.raises(JobTimeoutError):
            emulator.client().queue.poll_once(job, first.state)


@pytest.mark.parametrize("later", [False, True])
def test_what_is_not_a_policy_or_comes_too_late_is_refused_before_anything_is_sent(later: bool) -> None:
    transport = FakeTransport(status("processing"))
    client = client_of(transport)
    state = client.queue.poll_once("j1").state if later else None
    wrong: Any = PollPolicy() if later else 5
    words = "poll is for the first step; later steps follow" if later else "poll must be a PollPolicy, not 5"
    with pytest.raises(InvalidInputError, match=words):
        client.queue.poll_once("j1", state, poll=wrong)
    assert len(transport.sent) == later


def learned() -> tuple[FakeTransport, DecartClient]:
    """Return a client that has seen nine jobs of 30 seconds each, and has submitted a tenth, j1."""
    accepted_at: dict[str, float] = {}
    names = iter([f"before-{number}" for number in range(9)] + ["j1"])

    def service(request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            name = next(names)
            accepted_at[name] = transport.now()
            return accepted(name)
        name = request.url.split("/")[5]
        if request.url.endswith("/content"):
            return video()
        return status("completed" if transport.now() >= accepted_at[name] + 30 else "processing", name)

    transport = FakeTransport(always(lambda: service), start=1000.0)
    random.seed(7)  # the jitter
    client = client_of(transport)
    for _ in range(9):
        client.queue.submit_and_poll(LAKE)
    client.queue.submit(LAKE)
    return transport, client


def test_the_pace_that_the_first_client_learned_applies_to_all() -> None:
    one, client = learned()
    client.queue.poll("j1")
    many, client = learned()
    begun = len(many.check_times())
    step = steps(many, client, poll=PollPolicy())  # the policy of later clients is not that of the wait
    assert step.job.status == "completed"
    assert many.check_times() == one.check_times()
    assert many.check_times()[begun + 1] - many.check_times()[begun] > PollPolicy().max_interval


@pytest.mark.parametrize("state", [{}, {"job_id": "j1"}, {"job_id": "j2"}, "state", 7])
def test_a_state_that_is_not_one_of_this_job_is_refused_before_anything_is_sent(state: Any) -> None:
    transport = FakeTransport()
    with pytest.raises(InvalidInputError, match="^state must be the state of the previous step for job j1"):
        client_of(transport).queue.poll_once("j1", state)
    assert transport.sent == []


@pytest.mark.parametrize("state", [None, {}])
@pytest.mark.parametrize("poll", [5, 0, "slow", {}, PollPolicy])
def test_a_policy_that_is_none_is_refused_before_anything_is_sent(poll: Any, state: Any) -> None:
    transport = FakeTransport()
    with pytest.raises(InvalidInputError, match="^poll must be a PollPolicy, not "):
        client_of(transport).queue.poll_once("j1", state, poll=poll)
    assert transport.sent == []


def test_a_step_reports_a_change_of_status_once_for_all_steps() -> None:
    changes: list[str] = []

    class Changes(EventHook):
        def status_changed(self, event: Any) -> None:
            changes.append(event.status)

    words = ["pending", "pending", "processing", "processing", "completed"]
    steps(FakeTransport(*map(status, words)), event_hooks=[Changes()])
    assert changes == ["pending", "processing", "completed"]
