"""`decart.arguments`: the arguments of a call are checked before anything is sent, and before anything is billed."""

from __future__ import annotations

import asyncio
import threading
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from support.fakes import LAKE, FakeTransport, client_of

from decart import (
    InvalidInputError,
    JobStatusResponse,
    PollPolicy,
    Progress,
    WaitCancelledError,
)
from decart.arguments import WaitArguments, shown_progress, wait_arguments


def checked(*, awaited: bool = False, **given: Any) -> WaitArguments:
    """Return the checked arguments of a wait."""
    defaults = {"on_status_change": None, "poll": None, "cancel": None, "save_to": None}
    return wait_arguments(**{**defaults, **given}, callbacks=(None, None), awaited=awaited)


async def coroutine_function(job: JobStatusResponse) -> None: ...


@pytest.mark.parametrize("awaited", [False, True])
def test_a_wait_takes_a_policy_a_callback_an_event_and_a_path(awaited: bool, tmp_path: Path) -> None:
    given = {"on_status_change": print, "poll": PollPolicy(), "cancel": threading.Event()}
    arguments = checked(**given, save_to=str(tmp_path / "lake.mp4"), awaited=awaited)
    assert arguments == WaitArguments(**given, save_to=tmp_path / "lake.mp4")
    assert checked(awaited=awaited) == WaitArguments()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"on_status_change": coroutine_function},
            "^on_status_change is a coroutine function; only the async client can await it.$",
        ),
        ({"cancel": asyncio.Event()}, "^cancel must be a threading.Event, not"),
    ],
)
def test_the_sync_client_refuses_what_only_the_async_one_can_await(given: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        checked(**given)
    assert checked(**given, awaited=True) == WaitArguments(**given)


class NotAnEvent:
    """It can be waited for, and cannot be read."""

    def wait(self) -> None: ...


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"on_status_change": "print"}, "^on_status_change must be callable"),
        ({"poll": 5}, "^poll must be a PollPolicy, not 5"),
        ({"cancel": True}, "^cancel must be a threading.Event or an asyncio.Event, not True"),
        ({"cancel": NotAnEvent()}, "^cancel must be a threading.Event or an asyncio.Event, not"),
        ({"save_to": 7}, "^save_to must be the name of a file"),
    ],
)
def test_an_option_that_would_fail_after_the_submit_is_refused_before_it(given: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        checked(**given, awaited=True)


@pytest.mark.parametrize(
    ("options", "given", "message"),
    [
        (LAKE, {"progress": 7}, "^progress must be callable"),
        (LAKE, {"poll": 5}, "^poll must be a PollPolicy"),
        ({**LAKE, "on_status_change": print}, {"on_status_change": print}, "is given twice"),
        ({**LAKE, "on_status_change": 7}, {}, "^on_status_change must be callable"),
    ],
)
def test_a_mistake_is_found_before_the_job_is_submitted(options: Any, given: Any, message: str) -> None:
    transport = FakeTransport()
    with pytest.raises(InvalidInputError, match=message):
        client_of(transport).queue.submit_and_poll(options, **given)
    assert transport.sent == []


def test_a_cancel_that_is_set_before_a_submit_ends_the_call() -> None:
    cancel = threading.Event()
    cancel.set()
    transport = FakeTransport()
    with pytest.raises(WaitCancelledError, match="nothing was sent"):
        client_of(transport).queue.submit_and_poll(LAKE, cancel=cancel)
    assert transport.sent == []


# progress


@pytest.mark.parametrize("progress", [None, False])
def test_no_progress_has_no_callbacks(progress: Any) -> None:
    with shown_progress(progress, awaited=False) as callbacks:
        assert callbacks == (None, None)


def test_a_callback_is_called_with_the_progress_and_not_with_statuses() -> None:
    seen: list[Progress] = []
    with shown_progress(seen.append, awaited=False) as (on_progress, on_check):
        assert on_progress is not None and on_check is None
        on_progress(moved := Progress(direction="upload", done=1, total=2))
    assert seen == [moved]


def test_true_is_a_bar_for_bytes_and_statuses_that_is_removed_at_the_end() -> None:
    terminal = StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    with redirect_stderr(terminal), shown_progress(True, awaited=False) as (on_progress, on_check):
        assert on_progress is not None and on_check is not None
        on_check(JobStatusResponse(job_id="j1", status="processing"))
        on_progress(Progress(direction="download", done=1, total=2))
    assert "processing" in terminal.getvalue()


class AsyncCallable:
    async def __call__(self, event: object) -> None: ...


@pytest.mark.parametrize("name", ["on_status_change", "progress"])
def test_an_object_that_must_be_awaited_is_refused_by_the_sync_client_before_the_submit(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{name} is a coroutine function; only the async client can await it"):
        client_of(FakeTransport()).queue.submit_and_poll(LAKE, **{name: AsyncCallable()})
