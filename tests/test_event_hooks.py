"""Several event hooks at once, and the operations that they surround."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.fakes import (
    KEY,
    LAKE,
    FakeTransport,
    accepted,
    always,
    client_of,
    make_response,
    status,
    video,
)

from decart import (
    AsyncDecartClient,
    DecartClient,
    EventHook,
    InvalidInputError,
    PollPolicy,
    QueueStatusError,
    RetryPolicy,
    TransportTimeout,
)
from decart.events import Operation, RequestFailed, RequestSent, Retry


class Named(EventHook):
    """Notes its name with what it hears, in a list that several share."""

    def __init__(self, name: str, heard: list[str]) -> None:
        self.name, self.heard = name, heard

    def request_sent(self, event: RequestSent) -> None:
        self.heard.append(f"{self.name} request")

    @contextmanager
    def operation(self, operation: Operation) -> Iterator[None]:
        self.heard.append(f"{self.name} enters")
        try:
            yield
        except QueueStatusError:
            self.heard.append(f"{self.name} fails")
            raise
        self.heard.append(f"{self.name} leaves")


def test_hooks_are_called_in_order_and_left_in_reverse() -> None:
    heard: list[str] = []
    hooks = (Named(name, heard) for name in "ab")  # any iterable
    client = client_of(FakeTransport(status("pending"), status("pending")), event_hooks=hooks)
    once = ["a enters", "b enters", "a request", "b request", "b leaves", "a leaves"]
    client.queue.status("j1")
    assert heard == once
    client.queue.status("j1")
    assert heard == [*once, *once]


def test_each_hook_is_left_with_the_error_of_the_operation() -> None:
    heard: list[str] = []
    client = client_of(FakeTransport(make_response(401)), event_hooks=[Named("a", heard), Named("b", heard)])
    with pytest.raises(QueueStatusError):
        client.queue.status("j1")
    assert heard == ["a enters", "b enters", "a request", "b request", "b fails", "a fails"]


class Failing(EventHook):
    """Fails at the start of everything."""

    def request_sent(self, event: RequestSent) -> None:
        raise RuntimeError("the metrics are down")

    def operation(self, operation: Operation) -> Any:
        raise RuntimeError("the metrics are down")


def test_a_hook_that_fails_keeps_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []
    hooks = [Failing(), Named("b", heard), Failing()]
    client_of(FakeTransport(status("pending")), event_hooks=hooks).queue.status("j1")
    assert heard == ["b enters", "b request", "b leaves"]
    assert caplog.messages == [
        "an event hook failed in operation; the call continues",
        "an event hook failed in operation; the call continues",
        "an event hook failed in request_sent; the call continues",
        "an event hook failed in request_sent; the call continues",
    ]


@pytest.mark.parametrize(
    ("hooks", "message"),
    [
        (EventHook(), r"^event_hooks must be a list: write event_hooks=\[hook\]\.$"),
        (7, "^event_hooks must be a list"),
        (None, "^event_hooks must be a list"),
        ([EventHook], "^each of event_hooks must be an EventHook, not type"),
        ([EventHook(), print], "^each of event_hooks must be an EventHook, not builtin_function_or_method"),
        ("hook", "^each of event_hooks must be an EventHook, not str"),
    ],
)
def test_hooks_that_are_not_a_list_are_refused(hooks: Any, message: str) -> None:
    for make in (DecartClient, AsyncDecartClient):
        with pytest.raises(InvalidInputError, match=message):
            make(KEY, event_hooks=hooks)


def test_hooks_that_fail_when_they_are_read_are_refused() -> None:
    for make in (partial(DecartClient, KEY), partial(AsyncDecartClient, KEY), DecartClient(KEY).with_options):
        with pytest.raises(InvalidInputError, match=r"^event_hooks cannot be read \(ZeroDivisionError: .*\)\.$"):
            make(event_hooks=(1 / 0 for _ in "x"))


def test_a_retry_is_reported_without_the_frames_of_the_attempt_that_failed() -> None:
    errors: list[BaseException] = []

    class Retries(EventHook):
        def retry(self, event: Retry) -> None:
            errors.append(event.error)

    transport = FakeTransport(make_response(500), status("pending"))
    client_of(transport, event_hooks=[Retries()], retry=RetryPolicy(jitter=0)).queue.status("j1")
    assert [error.__traceback__ for error in errors] == [None]


# operations


class Operations(EventHook):
    def __init__(self) -> None:
        self.seen: list[Operation] = []

    def operation(self, operation: Operation) -> Any:
        self.seen.append(operation)
        return super().operation(operation)


SUBMIT = Operation(name="submit", model="lucy-pro-t2v")
STATUS, WAIT, DOWNLOAD = (Operation(name=name, job_id="j1") for name in ("status", "wait", "download"))  # type: ignore

pending, completed, failed = (partial(status, word) for word in ("pending", "completed", "failed"))

CALLS: dict[str, tuple[Callable[[Any, Path], Any], list[Callable[[], Any]], list[Operation]]] = {
    "submit": (lambda queue, path: queue.submit(LAKE), [accepted], [SUBMIT]),
    "status": (lambda queue, path: queue.status("j1"), [pending], [STATUS]),
    "poll_once": (lambda queue, path: queue.poll_once("j1"), [pending], [STATUS]),
    "result": (lambda queue, path: queue.result("j1"), [completed, video], [STATUS, DOWNLOAD]),
    "download": (lambda queue, path: queue.download("j1", path), [completed, video], [STATUS, DOWNLOAD]),
    "poll": (lambda queue, path: queue.poll("j1"), [completed, video], [WAIT, DOWNLOAD]),
    "submit_and_poll": (
        lambda queue, path: queue.submit_and_poll(LAKE, save_to=path),
        [accepted, completed, video],
        [SUBMIT, WAIT, DOWNLOAD],
    ),
    "a failed job": (lambda queue, path: queue.poll("j1"), [failed], [WAIT]),
}


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", CALLS)
def test_each_call_is_reported_as_the_operations_that_it_is_made_of(name: str, awaited: bool, tmp_path: Path) -> None:
    call, script, expected = CALLS[name]
    hook = Operations()
    transport = FakeTransport(*(entry() for entry in script))

    async def main() -> None:
        async with AsyncDecartClient(KEY, transport=transport, event_hooks=[hook]) as client:
            await call(client.queue, tmp_path / "lake.mp4")

    if awaited:
        asyncio.run(main())
    else:
        call(client_of(transport, event_hooks=[hook]).queue, tmp_path / "lake.mp4")
    assert hook.seen == expected


class Keeper(EventHook):
    """Keeps the errors that it hears of."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    def request_failed(self, event: RequestFailed) -> None:
        self.errors.append(event.error)


def test_the_errors_that_a_hook_keeps_have_no_frames_after_a_wait_that_timed_out() -> None:
    keeper = Keeper()
    client = client_of(
        FakeTransport(accepted(), always(lambda: TransportTimeout("Silence."))),
        event_hooks=[keeper],
        poll=PollPolicy(timeout=10),
    )
    assert client.queue.submit_and_poll(LAKE).timed_out
    assert keeper.errors
    assert [error.__traceback__ for error in keeper.errors if error.__traceback__ is not None] == []
