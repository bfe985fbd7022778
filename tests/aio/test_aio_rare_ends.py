"""What ends an awaited call early or oddly, where the async side has lines of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from support.awaited import async_client_of
from support.fakes import LAKE, FakeTransport, make_response, status

from decart import (
    AsyncDecartClient,
    InvalidInputError,
    JobFailedError,
    JobTimeoutError,
    PollPolicy,
    QueueStatusError,
    RetryPolicy,
    TransportError,
)
from decart.transports.base import HttpResponse

ONCE = RetryPolicy(attempts=1)


class Ending:
    """The body of a response that ends in an exception."""

    def __init__(self, *chunks: bytes, end: BaseException) -> None:
        self._chunks, self._end = chunks, end

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        raise self._end


def run(call: Callable[[AsyncDecartClient], Awaitable[Any]], *script: Any, **options: Any) -> Any:
    async def main() -> Any:
        return await call(async_client_of(FakeTransport(*script), **options))

    return asyncio.run(main())


def test_an_exception_while_the_response_to_a_submit_is_read_names_the_job_if_it_arrived() -> None:
    body = Ending(b'{"job_id": "j1", "status": "pending"}', end=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError) as caught:
        run(lambda client: client.queue.submit(LAKE), HttpResponse(200, {}, body))
    assert caught.value.job_id == "j1"  # type: ignore[attr-defined]


def test_a_status_response_that_breaks_off_is_an_error() -> None:
    with pytest.raises(QueueStatusError, match="lost"):
        broken = HttpResponse(200, {}, Ending(b'{"job', end=TransportError("The connection was lost.")))
        run(lambda client: client.queue.status("j1"), broken, retry=ONCE)


def test_a_step_ends_in_the_errors_of_a_wait() -> None:
    with pytest.raises(QueueStatusError):
        run(lambda client: client.queue.poll_once("j1"), make_response(401))
    with pytest.raises(JobTimeoutError):
        run(lambda client: client.queue.poll_once("j1", poll=PollPolicy(timeout=0)), status("pending"))


def test_a_policy_for_a_later_step_is_refused() -> None:
    async def steps(client: AsyncDecartClient) -> None:
        first = await client.queue.poll_once("j1")
        await client.queue.poll_once("j1", first.state, poll=PollPolicy())

    with pytest.raises(InvalidInputError, match="poll is for the first step"):
        run(steps, status("pending"))


def test_a_stream_of_a_failed_job_is_an_error_and_an_open_one_is_not_opened_again() -> None:
    async def opened(client: AsyncDecartClient) -> None:
        stream = client.queue.stream("j1")
        assert repr(stream) == "AsyncVideoStream(job_id='j1')"
        await stream.open()

    with pytest.raises(JobFailedError):
        run(opened, status("failed"))


def test_a_stream_without_a_length_has_no_content_length() -> None:
    async def headers(client: AsyncDecartClient) -> dict[str, str]:
        async with client.queue.stream("j1") as stream:
            return stream.headers

    chunked = make_response(200, b"video", content_type="video/mp4", transfer_encoding="chunked")
    assert "Content-Length" not in run(headers, status("completed"), chunked)
