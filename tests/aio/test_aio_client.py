"""How to create an async client, its callbacks and its results."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.awaited import async_client_of
from support.fakes import (
    KEY,
    LAKE,
    MP4,
    FakeTransport,
    accepted,
    always,
    client_of,
    status,
    video,
)
from support.studio import Studio

from decart import (
    AiohttpTransport,
    AsyncDecartClient,
    ClientClosedError,
    DecartClient,
    InvalidInputError,
    JobFailedError,
    JobStatusResponse,
    PollPolicy,
    QueueJobResult,
    models,
)
from decart.emulator import EmulatorTransport, VirtualEmulator
from decart.transports.base import Timeout


def test_async_with_gives_the_async_client_and_closes_it() -> None:
    async def main() -> AsyncDecartClient:
        async with client_of(FakeTransport(status("pending"))) as client:
            assert type(client) is AsyncDecartClient
            assert (await client.queue.status("j1")).status == "pending"
        return client

    client = asyncio.run(main())
    with pytest.raises(ClientClosedError, match="This client is closed"):
        asyncio.run(client.queue.status("j1"))


@pytest.mark.parametrize("transport", [None, AiohttpTransport])
def test_one_client_serves_one_loop_after_another(transport: Any, emulator: str) -> None:
    client = DecartClient(api_key="your-api-key", transport=transport and transport())

    async def entered() -> str:
        async with client as opened:
            return (await opened.queue.submit(LAKE)).status

    async def beside() -> str:
        return (await client.aio.queue.submit(LAKE)).status

    assert [asyncio.run(main()) for main in (entered, beside, beside, entered, beside)] == ["pending"] * 5
    asyncio.run(client.aio.close())
    client.close()


def test_the_async_side_has_the_settings_and_the_transport_of_its_client() -> None:
    transport = FakeTransport(status("pending"), status("pending"), status("failed"))
    steady = PollPolicy(interval=3, backoff=1, max_interval=3, jitter=0, timeout=None)
    client = client_of(transport, base_url="https://api.test", timeout=7, integration="my-app/1.0", poll=steady)
    asyncio.run(client.aio.queue.poll("j1"))
    assert transport.sleeps == [3, 3]
    sent = transport.requests[0]
    assert (sent.url, sent.timeout) == ("https://api.test/v1/jobs/j1", Timeout(read=7))
    assert sent.headers["X-API-KEY"] == KEY
    assert sent.headers["User-Agent"].endswith(" my-app/1.0")
    assert client.aio is client.aio


def test_blocks_that_overlap_share_one_async_client_and_the_last_one_closes_it() -> None:
    transport = FakeTransport(always(lambda: status("pending")))
    client = client_of(transport)

    async def main() -> None:
        async with client as outer:
            async with client as inner:
                assert inner is outer
            await outer.queue.status("j1")
            assert transport.closes == 0
        assert transport.closes == 1
        async with client as again:
            await again.queue.status("j1")

    asyncio.run(main())
    assert client.queue.status("j1").status == "pending"


def test_closing_either_side() -> None:
    transport = FakeTransport(always(lambda: status("pending")))
    client = client_of(transport)
    first = client.aio
    asyncio.run(first.close())
    asyncio.run(first.close())
    assert transport.closes == 1
    assert client.aio is not first
    second = client.aio
    client.close()
    for closed in (first, second, client.aio):
        with pytest.raises(ClientClosedError):
            asyncio.run(closed.queue.status("j1"))
    assert transport.requests == []


@pytest.mark.parametrize("closed", ["itself", "one that was derived from it", "the one that it was derived from"])
def test_closing_a_sync_client_lets_the_threads_of_all_async_sides_go(emulator: str, closed: str) -> None:
    before = set(threading.enumerate())
    client = DecartClient(api_key="your-api-key")
    derived = client.with_options(timeout=5)
    used = derived if closed == "the one that it was derived from" else client
    asyncio.run(used.aio.queue.submit(LAKE))
    ours = [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("decart_")]
    assert ours
    (derived if closed == "one that was derived from it" else client).close()
    for thread in ours:
        thread.join(5)
        assert not thread.is_alive()


def test_the_key_is_in_no_repr_and_a_client_is_not_pickled() -> None:
    client = async_client_of(FakeTransport())
    assert repr(client) == "AsyncDecartClient(base_url='https://api.decart.ai')"
    for thing in (client, client.queue):
        assert KEY not in repr(thing)
    with pytest.raises(TypeError, match="AsyncDecartClient holds a key .* make one in each process"):
        client.__reduce__()


def test_the_arguments_are_checked_as_for_the_sync_client() -> None:
    for argument, value in [("transport", object()), ("retry", 3), ("poll", 3), ("timeout", "x")]:
        with pytest.raises(InvalidInputError, match=f"^{argument}"):
            AsyncDecartClient(KEY, **{argument: value})  # type: ignore[arg-type]


def test_a_sync_call_over_an_async_transport_says_what_to_write_and_sends_nothing(emulator: str) -> None:
    with (
        DecartClient(api_key="your-api-key", transport=AiohttpTransport()) as client,
        pytest.raises(InvalidInputError, match="async transport, and nothing was sent: write `async with"),
    ):
        client.queue.submit(LAKE)


def callbacks(reported: list[str]) -> dict[str, Callable[[JobStatusResponse], object]]:
    async def coroutine_function(job: JobStatusResponse) -> None:
        await asyncio.sleep(0)
        reported.append(job.status)

    class Callable_:
        async def __call__(self, job: JobStatusResponse) -> None:
            await coroutine_function(job)

    return {
        "a plain function": lambda job: reported.append(job.status),
        "a coroutine function": coroutine_function,
        "a lambda that gives a coroutine": lambda job: coroutine_function(job),
        "an object": Callable_(),
    }


@pytest.mark.parametrize("kind", callbacks([]))
def test_a_callback_may_be_awaited(kind: str) -> None:
    reported: list[str] = []
    client = async_client_of(FakeTransport(accepted(), status("processing"), status("completed"), video()))
    result = asyncio.run(client.queue.submit_and_poll(LAKE, on_status_change=callbacks(reported)[kind]))
    assert (result.data, reported) == (MP4, ["pending", "processing", "completed"])


def test_a_coroutine_callback_that_fails_ends_the_wait_and_not_the_job(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(job: JobStatusResponse) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(async_client_of(FakeTransport(accepted())).queue.submit_and_poll(LAKE, on_status_change=fail))
    assert "Wait for it with client.queue.poll('j1')" in caplog.text


class Noted(os.PathLike[str]):
    """A path that takes note of the threads that want to know it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.threads: set[threading.Thread] = set()

    def __fspath__(self) -> str:
        self.threads.add(threading.current_thread())
        return str(self._path)


class NotedFile(io.BytesIO):
    """A file that takes note of the threads that read it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.threads: set[threading.Thread] = set()

    def read(self, size: int | None = -1) -> bytes:
        self.threads.add(threading.current_thread())
        return super().read(size)


@pytest.mark.parametrize("transport", [None, AiohttpTransport])
def test_files_are_opened_and_read_in_threads(transport: Any, emulator: str) -> None:
    file = NotedFile(bytes(1_000_000))

    async def main() -> None:
        async with DecartClient(api_key="your-api-key", transport=transport and transport()) as client:
            await client.queue.submit({"model": models.video("lucy-pro-i2v"), "prompt": "wind", "data": file})

    asyncio.run(main())
    assert file.threads
    assert threading.current_thread() not in file.threads


def test_a_result_is_saved_in_a_thread(tmp_path: Path) -> None:
    result = QueueJobResult(job_id="j1", status="completed", data=MP4)
    path = Noted(tmp_path / "lake.mp4")
    assert asyncio.run(result.asave(path)).read_bytes() == MP4
    assert path.threads
    assert threading.current_thread() not in path.threads
    with pytest.raises(JobFailedError, match="no luck"):
        asyncio.run(attrs.evolve(result, status="failed", error="no luck").asave(tmp_path / "no.mp4"))


def test_the_emulator_in_process_serves_the_async_client_on_its_own_clock() -> None:
    transport = EmulatorTransport(VirtualEmulator(renderer=Studio()))

    async def main() -> QueueJobResult:
        async with AsyncDecartClient(KEY, transport=transport) as client:
            return await client.queue.poll((await client.queue.submit(LAKE)).job_id, poll=PollPolicy(timeout=0))

    assert asyncio.run(main()).timed_out
