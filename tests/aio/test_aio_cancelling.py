"""Cancelled tasks and waits of the async client."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.awaited import async_client_of
from support.fakes import LAKE, MP4, FakeTransport, accepted, client_of, status, video

from decart import (
    AiohttpTransport,
    AsyncDecartClient,
    PollPolicy,
    TransportError,
    WaitCancelledError,
)
from decart.transports.base import AsyncHttpResponse, HttpRequest, Timeout


class BlockingTransport(FakeTransport):
    """A transport whose n-th call, and all later ones, block forever."""

    def __init__(self, *script: Any, blocks_from: int) -> None:
        super().__init__(*script)
        self.blocks_from = blocks_from
        self.reached = asyncio.Event()

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> Any:
        if len(self.requests) + 1 == self.blocks_from:
            list(request.body or ())
            self.reached.set()
            await asyncio.Event().wait()
        return await super().asend(request, timeout=timeout)


def cancelled_at(call: int) -> tuple[Any, list[Any]]:
    """Cancel a submit_and_poll in its n-th exchange; give the exception and the tasks that are left."""

    async def main() -> tuple[Any, list[Any]]:
        transport = BlockingTransport(accepted(), status("processing"), status("completed"), video(), blocks_from=call)
        task = asyncio.ensure_future(async_client_of(transport).queue.submit_and_poll(LAKE))
        await transport.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value, [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]

    return asyncio.run(main())


@pytest.mark.parametrize("call", [2, 3, 4])
def test_cancelling_the_task_ends_the_wait_at_once_and_the_job_can_be_found_again(
    call: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "decart")
    error, tasks = cancelled_at(call)
    assert tasks == []
    assert caplog.messages[0] == "job j1 was submitted, and is pending"
    advice = "Job j1 continues. Wait for it with client.queue.poll('j1')."
    if call == 4:  # the download
        advice = "Job j1 is done. Fetch its video with client.queue.download('j1', path)."
    assert advice in caplog.messages
    assert error.__notes__ == [advice]
    assert client_of(FakeTransport(status("completed"), video())).queue.poll("j1").data == MP4


def test_cancelling_the_submit_says_that_it_may_have_been_accepted(caplog: pytest.LogCaptureFixture) -> None:
    _, tasks = cancelled_at(1)
    assert tasks == []
    assert "The job may have been accepted, and you may have been charged" in caplog.text


def test_wait_for_ends_a_wait_with_its_own_error() -> None:
    async def main() -> None:
        transport = BlockingTransport(accepted(), blocks_from=2)
        await asyncio.wait_for(async_client_of(transport).queue.submit_and_poll(LAKE), 0.05)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(main())


@pytest.mark.parametrize("kind", [asyncio.Event, threading.Event])
def test_an_event_ends_a_wait(kind: type, emulator: str) -> None:
    async def main() -> None:
        event = kind()
        async with AsyncDecartClient(api_key="your-api-key", transport=AiohttpTransport()) as client:
            reported = asyncio.Event()
            wait = asyncio.ensure_future(
                client.queue.submit_and_poll(
                    LAKE,
                    cancel=event,
                    poll=PollPolicy(interval=60, max_interval=60),
                    on_status_change=lambda job: reported.set(),
                )
            )
            await reported.wait()
            event.set()
            with pytest.raises(WaitCancelledError):
                await asyncio.wait_for(wait, 5)

    asyncio.run(main())


@pytest.mark.parametrize("cut", [False, True])
def test_the_id_of_a_response_that_was_read_is_known_even_if_the_task_is_cancelled_while_it_is_closed(
    cut: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"job_id": "j1", "status": "pending"'
        if cut:
            raise TransportError("The connection broke off.")
        yield b"}"

    class SlowToClose(FakeTransport):
        async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
            list(request.body or ())
            return AsyncHttpResponse(200, {}, chunks(), self._close)

        async def _close(self) -> None:
            task.cancel()
            await asyncio.sleep(0)

    async def main() -> BaseException:
        nonlocal task
        task = asyncio.ensure_future(async_client_of(SlowToClose()).queue.submit(LAKE))
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return caught.value

    task: asyncio.Future[Any]
    assert getattr(asyncio.run(main()), "job_id", None) == "j1"
    assert "Job j1 continues." in caplog.text
