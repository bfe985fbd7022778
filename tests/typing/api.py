"""The public API as the type checkers see it: checked by mypy and pyright, never run."""

from __future__ import annotations

import asyncio
import io
import threading
from pathlib import Path
from typing import assert_type

from decart import (
    AiohttpTransport,
    AsyncDecartClient,
    DecartClient,
    DecartSDKError,
    EventHook,
    JobOptions,
    JobStatusResponse,
    JobSubmitResponse,
    ModelDefinition,
    PollPolicy,
    QueueJobResult,
    QueueSubmitError,
    RequestsTransport,
    RetryPolicy,
    TextToVideoInput,
    ThreadedTransport,
    Timeout,
    Urllib3Transport,
    models,
)
from decart.events import StatusChanged
from decart.integrations.otel import Tracing


class Metrics(EventHook):
    def status_changed(self, event: StatusChanged) -> None:
        assert_type(event.elapsed, float | None)


client = DecartClient(
    api_key="dct_x",
    base_url="http://127.0.0.1",
    timeout=Timeout(connect=1, read=2, total=3),
    retry=RetryPolicy(attempts=2),
    poll=PollPolicy(timeout=None),
    transport=RequestsTransport(),
    integration="my-app/1.0",
    event_hook=Metrics(),
)
assert_type(models.video("lucy-pro-t2v"), ModelDefinition)
assert_type(
    client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake", "resolution": "720p"}),
    JobSubmitResponse,
)
assert_type(client.queue.status("id"), JobStatusResponse)
assert_type(client.queue.result("id"), QueueJobResult)
assert_type(client.queue.poll("id", cancel=threading.Event(), progress=True), QueueJobResult)
with client.queue.stream("id", range="bytes=0-", if_range=None) as video:
    assert_type(video.headers, dict[str, str])
    assert_type(next(video), bytes)
assert_type(
    client.queue.submit(TextToVideoInput(model=models.video("lucy-pro-t2v"), prompt="A lake")), JobSubmitResponse
)


def told(job: JobStatusResponse) -> None:
    assert_type(job.status, str)


options: JobOptions = {"model": models.video("lucy-pro-i2v"), "prompt": "wind", "data": Path("image.jpg")}
options["data"] = io.BytesIO(b"picture")
options["on_status_change"] = lambda job: print(job.status)

with DecartClient() as same:
    assert_type(same, DecartClient)
    result = same.queue.submit_and_poll(options, on_status_change=told, policy=PollPolicy(backoff=1.0))
    assert_type(result.data, bytes | None)
    assert_type(result.save("lake.mp4"), Path)

try:
    client.queue.submit({"model": models.video("lucy-pro-t2v"), "promt": "typo"})  # type: ignore[typeddict-item, unused-ignore, arg-type, typeddict-unknown-key]
    TextToVideoInput(model=models.video("lucy-pro-t2v"))  # type: ignore[call-arg]
except QueueSubmitError as error:
    assert_type(error.job_id, str | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.cause, DecartSDKError | None)


async def awaited() -> None:
    async with DecartClient() as opened:
        assert_type(opened, AsyncDecartClient)
        assert_type(await opened.queue.submit(options), JobSubmitResponse)
        assert_type(await opened.queue.status("id"), JobStatusResponse)
        assert_type(await opened.queue.result("id"), QueueJobResult)
    assert_type(client.aio, AsyncDecartClient)

    async def tell(job: JobStatusResponse) -> None: ...

    async with AsyncDecartClient(transport=AiohttpTransport()) as same:
        assert_type(same, AsyncDecartClient)
        ended = await same.queue.submit_and_poll(options, on_status_change=tell, cancel=asyncio.Event())
        assert_type(ended, QueueJobResult)
        assert_type(await same.queue.poll("id", cancel=threading.Event()), QueueJobResult)
        assert_type(await ended.asave("lake.mp4"), Path)
    DecartClient(transport=AiohttpTransport(), event_hook=Tracing())
    DecartClient(transport="urllib3")
    DecartClient(transport=Urllib3Transport(connections=8))
    DecartClient(transport="httpx")  # type: ignore[arg-type]
    AsyncDecartClient(transport="aiohttp")
    AsyncDecartClient(transport=RequestsTransport())
    AsyncDecartClient(transport=ThreadedTransport(RequestsTransport(), threads=4))
    await client.queue.submit(options)  # type: ignore[misc]
    client.queue.poll("id", cancel=asyncio.Event())  # type: ignore[arg-type]
