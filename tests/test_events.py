"""What a client reports: to event hooks, and to the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.fakes import (
    KEY,
    LAKE,
    MP4,
    FakeTransport,
    Takes,
    accepted,
    client_of,
    make_response,
    status,
    video,
)
from support.served_video import ServedVideo

from decart import (
    AsyncDecartClient,
    ConnectError,
    DecartClient,
    EventHook,
    PollPolicy,
    QueueStatusError,
    QueueSubmitError,
    RetryPolicy,
    TransportError,
    WaitCancelledError,
)
from decart.events import (
    BytesMoved,
    Operation,
    RequestFailed,
    RequestSent,
    ResponseReceived,
    Retry,
    StatusChanged,
)

URL = "https://api.decart.ai/v1/jobs"


class Ear(EventHook):
    """Hears everything."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def all(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]

    def request_sent(self, event: RequestSent) -> None:
        self.heard.append(event)

    def response_received(self, event: ResponseReceived) -> None:
        self.heard.append(event)

    def request_failed(self, event: RequestFailed) -> None:
        self.heard.append(event)

    def retry(self, event: Retry) -> None:
        self.heard.append(event)

    def status_changed(self, event: StatusChanged) -> None:
        self.heard.append(event)

    def bytes_moved(self, event: BytesMoved) -> None:
        self.heard.append(event)

    @contextmanager
    def operation(self, operation: Operation) -> Iterator[None]:
        self.heard.append(("begins", operation.name))
        try:
            yield
        except BaseException as error:
            self.heard.append(("fails", operation.name, type(error)))
            raise
        self.heard.append(("ends", operation.name))


def played(door: str, *script: Any, **settings: Any) -> Ear:
    """Submit a job and wait for it, through one of the two front doors."""
    ear = Ear()
    steady: dict[str, Any] = {"retry": RetryPolicy(jitter=0), "poll": PollPolicy(jitter=0), "event_hooks": [ear]}
    transport = FakeTransport(*script)

    async def awaited() -> None:
        async with AsyncDecartClient(KEY, transport=transport, **steady) as client:
            await client.queue.submit_and_poll(LAKE, **settings)

    if door == "sync":
        client_of(transport, **steady).queue.submit_and_poll(LAKE, **settings)
    else:
        asyncio.run(awaited())
    return ear


doors = pytest.mark.parametrize("door", ["sync", "async"])


@doors
def test_a_hook_receives_the_events_of_a_job_in_order(door: str) -> None:
    ear = played(door, accepted(), status("processing"), Takes(1.5, status("completed")), video())
    reported = [event if isinstance(event, tuple) else type(event).__name__ for event in ear.heard]
    exchange = ["RequestSent", "ResponseReceived"]
    assert [name for name in reported if name != "BytesMoved"] == [
        ("begins", "submit"), *exchange, "StatusChanged", ("ends", "submit"),
        ("begins", "wait"), "StatusChanged", *exchange, "StatusChanged", *exchange, "StatusChanged", ("ends", "wait"),
        ("begins", "download"), *exchange, ("ends", "download"),
    ]  # fmt: skip
    assert [(event.method, event.url) for event in ear.all(RequestSent)] == [
        ("POST", f"{URL}/lucy-pro-t2v"),
        ("GET", f"{URL}/j1"),
        ("GET", f"{URL}/j1"),
        ("GET", f"{URL}/j1/content"),
    ]
    assert [event.seconds for event in ear.all(ResponseReceived)] == [0, 0, 1.5, 0]
    assert ear.all(RequestSent)[0].length > 100
    assert ear.all(RequestSent)[1].length == 0


@doors
def test_a_change_of_status_has_the_model_and_the_age_of_the_job(door: str) -> None:
    ear = played(door, accepted(), status("processing"), status("processing"), status("failed", error="too dark"))
    reported = [(event.status, event.error, event.model, event.elapsed) for event in ear.all(StatusChanged)]
    assert reported == [
        ("pending", None, "lucy-pro-t2v", 0),  # accepted
        ("pending", None, "lucy-pro-t2v", 0),  # the first status of the wait
        ("processing", None, "lucy-pro-t2v", 0.5),
        ("failed", "too dark", "lucy-pro-t2v", 2.375),
    ]


@doors
def test_bytes_are_reported_both_ways_in_memory_and_into_a_file(door: str, tmp_path: Path) -> None:
    ear = played(door, accepted(), status("completed"), video())
    assert ear.all(BytesMoved)[-1] == BytesMoved(job_id="j1", direction="download", done=len(MP4), total=len(MP4))
    up = [event for event in ear.all(BytesMoved) if event.direction == "upload"]
    assert (up[0].job_id, up[0].done, up[-1].done) == (None, 0, up[-1].total)
    assert up[-1].total == ear.all(RequestSent)[0].length
    ear = played(door, accepted(), status("completed"), ServedVideo(), save_to=tmp_path / "lake.mp4")
    down = [event for event in ear.all(BytesMoved) if event.direction == "download"]
    assert [(event.job_id, event.done) for event in down] == [("j1", 0), ("j1", 1024)]


@doors
def test_a_failure_and_its_retry_are_reported(door: str) -> None:
    gone = ConnectError("No connection.")
    ear = played(door, gone, accepted(), make_response(500), status("completed"), TransportError("Cut off."), video())
    assert [(event.method, str(event.error)) for event in ear.all(RequestFailed)] == [
        ("POST", "No connection."),
        ("GET", "Cut off."),
    ]
    repeats = [(event.job_id, event.attempt, event.seconds) for event in ear.all(Retry)]
    assert repeats == [(None, 1, 0.5), ("j1", 1, 0.5), ("j1", 1, 0.5)]


@doors
def test_an_operation_is_left_with_the_error_that_ended_it(door: str) -> None:
    for error, script in (
        (QueueSubmitError, [make_response(401)]),
        (QueueStatusError, [accepted(), make_response(401)]),
    ):
        ear = Ear()
        with pytest.raises(error):
            ear = _failing(door, ear, script)
        assert ear.heard[-1][0] == "fails"
        assert ear.heard[-1][1] == ("submit" if error is QueueSubmitError else "wait")


def _failing(door: str, ear: Ear, script: list[Any]) -> Ear:
    transport = FakeTransport(*script)
    if door == "sync":
        client_of(transport, event_hooks=[ear]).queue.submit_and_poll(LAKE)
    else:

        async def awaited() -> None:
            async with AsyncDecartClient(KEY, transport=transport, event_hooks=[ear]) as client:
                await client.queue.submit_and_poll(LAKE)

        asyncio.run(awaited())
    return ear


def test_a_download_that_is_resumed_is_reported_with_its_job(tmp_path: Path) -> None:
    ear = Ear()
    transport = FakeTransport(status("completed"), served := ServedVideo(breaks=(300,)), served)
    client_of(transport, event_hooks=[ear]).queue.download("j1", tmp_path / "lake.mp4")
    (again,) = ear.all(Retry)
    assert (again.job_id, str(again.error)) == ("j1", "The connection broke off.")
    assert [event.url for event in ear.all(RequestSent)] == [f"{URL}/j1", f"{URL}/j1/content", f"{URL}/j1/content"]


class Broken(EventHook):
    """Fails at everything."""

    def __getattribute__(self, name: str) -> Any:
        if name in vars(EventHook):
            raise RuntimeError("the metrics are down")
        return super().__getattribute__(name)


class BrokenAtTheEnd(EventHook):
    @contextmanager
    def operation(self, operation: Operation) -> Iterator[None]:
        try:
            yield
        finally:
            raise RuntimeError("the metrics are down")


class Swallowing(EventHook):
    """Would hide every error."""

    def operation(self, operation: Operation) -> AbstractContextManager[object]:
        class All:
            def __enter__(self) -> None: ...

            def __exit__(self, *exc: object) -> bool:
                return True

        return All()


class Rethrowing(EventHook):
    """A hook that reraises the exception it was exited with, as `contextlib.ExitStack` does; it is not broken."""

    def operation(self, operation: Operation) -> AbstractContextManager[object]:
        class Stack:
            def __enter__(self) -> None: ...

            def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
                if error is not None:
                    raise error

        return Stack()


def test_a_hook_that_reraises_its_own_exception_is_not_reported_as_broken(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(QueueSubmitError):
        client_of(FakeTransport(make_response(401)), event_hooks=[Rethrowing()]).queue.submit(LAKE)
    assert caplog.messages == []


@pytest.mark.parametrize("hook", [Broken(), BrokenAtTheEnd()])
def test_a_broken_hook_is_logged_and_loses_no_job(hook: EventHook, caplog: pytest.LogCaptureFixture) -> None:
    client = client_of(FakeTransport(accepted(), status("completed"), video()), event_hooks=[hook])
    assert client.queue.submit_and_poll(LAKE).data == MP4
    assert "an event hook failed in operation; the call continues" in caplog.messages


@pytest.mark.parametrize("hook", [Broken(), BrokenAtTheEnd(), Swallowing()])
def test_no_hook_hides_an_error(hook: EventHook) -> None:
    with pytest.raises(QueueSubmitError):
        client_of(FakeTransport(make_response(401)), event_hooks=[hook]).queue.submit(LAKE)


def test_a_hook_need_not_override_anything() -> None:
    client = client_of(
        FakeTransport(accepted(), make_response(500), status("completed"), video()), event_hooks=[EventHook()]
    )
    assert client.queue.submit_and_poll(LAKE).status == "completed"
    gone = ConnectError("No connection.")
    client = client_of(FakeTransport(gone), event_hooks=[EventHook()], retry=RetryPolicy(attempts=1))
    with pytest.raises(QueueStatusError):
        client.queue.status("j1")


def test_the_async_side_of_a_client_reports_to_the_same_hooks() -> None:
    ear = Ear()
    client = client_of(FakeTransport(status("pending")), event_hooks=[ear])
    asyncio.run(_ask(client))
    assert len(ear.all(RequestSent)) == 1


async def _ask(client: DecartClient) -> None:
    await client.aio.queue.status("j1")


# ---------------------------------------------------------------- headers, and the log

SECRETS = {"Set-Cookie": "session=1", "X-Api-Key": KEY, "Authorization": "Bearer x", "X-Internal": "10.0.0.1"}


def test_only_listed_headers_are_reported_and_never_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "decart")
    ear = Ear()
    echo = make_response(200, {"job_id": "j1", "status": "pending"}, x_request_id=f"r-{KEY}", **SECRETS)
    client_of(FakeTransport(echo), event_hooks=[ear]).queue.status("j1")
    reported = {"content-type": "application/json", "x-request-id": "r-***"}
    assert ear.all(ResponseReceived)[0].headers == reported
    assert caplog.messages == [f"GET {URL}/j1: 200 in 0.000 s, {reported}"]
    assert KEY not in repr(ear.heard)


def test_each_exchange_is_one_line_at_debug_with_or_without_a_response(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG, "decart")
    gone = ConnectError("No connection.")
    transport = FakeTransport(gone, status("completed"), served := ServedVideo(breaks=(300,)), served)
    client_of(transport).queue.download("j1", tmp_path / "lake.mp4")
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert [line.partition(" in ")[0] for line in lines] == [
        f"GET {URL}/j1: no response",
        f"GET {URL}/j1: 200",
        f"GET {URL}/j1/content: 200",
        f"GET {URL}/j1/content: 206",
    ]


def test_changes_of_status_are_logged_at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "decart")
    client_of(FakeTransport(accepted(), status("processing"), status("failed"))).queue.submit_and_poll(LAKE)
    assert caplog.messages == [
        "job j1 was submitted, and is pending",
        "job j1 is pending",
        "job j1 is processing",
        "job j1 is failed",
    ]


def test_a_wait_that_is_cancelled_leaves_its_operation() -> None:
    import threading

    ear, cancel = Ear(), threading.Event()
    transport = FakeTransport(status("pending"), status("pending"))
    transport.at(0.2, cancel.set)
    with pytest.raises(WaitCancelledError):
        client_of(transport, event_hooks=[ear]).queue.poll("j1", cancel=cancel)
    assert ear.heard[-1] == ("fails", "wait", WaitCancelledError)
