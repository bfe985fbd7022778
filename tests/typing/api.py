"""The public API as the type checkers see it: checked by mypy and pyright, never run."""

from __future__ import annotations

import asyncio
import io
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Literal, assert_type

from PIL import Image

from decart import (
    AiohttpTransport,
    AsyncDecartClient,
    ClientTokenClaims,
    CompletedJob,
    CreateTokenResponse,
    DecartClient,
    DecartSDKError,
    EventHook,
    FailedJob,
    FileReference,
    ImageOptions,
    ImageResult,
    ImageToImageInput,
    ImageToVideoOptions,
    JobOptions,
    JobStatusResponse,
    JobSubmitResponse,
    ModelDefinition,
    PollPolicy,
    Provenance,
    QueueJobResult,
    QueueSubmitError,
    RequestsTransport,
    RetryPolicy,
    SavedImage,
    SavedJob,
    TextToImageInput,
    TextToVideoInput,
    ThreadedTransport,
    Timeout,
    Urllib3Transport,
    VerifiedClientToken,
    VideoEditInput,
    VideoModelName,
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
    event_hooks=[Metrics()],
)
assert_type(models.video("lucy-pro-t2v"), ModelDefinition[Literal["text-to-video"]])
assert_type(models.image("lucy-image-2"), ModelDefinition[Literal["image-to-image"]])
assert_type(ModelDefinition(name="m", task="motion"), ModelDefinition[Literal["motion"]])
assert_type(client.queue.status("id"), JobStatusResponse)
assert_type(client.queue.result("id"), CompletedJob | FailedJob)
assert_type(client.queue.poll("id", cancel=threading.Event(), progress=True), CompletedJob | FailedJob)
assert_type(client.queue.poll("id", save_to="lake.mp4", poll=PollPolicy()), SavedJob | FailedJob)
assert_type(client.queue.download("id", "lake.mp4"), Path)
with client.queue.stream("id", range="bytes=0-", if_range=None) as video:
    assert_type(video.headers, dict[str, str])
    assert_type(next(video), bytes)

painting: ImageOptions = {"model": models.image("lucy-image-2"), "prompt": "oil", "data": b"..."}
assert_type(client.process(painting, progress=True), ImageResult)
assert_type(client.process(painting, save_to="oil.png", cancel=threading.Event()), SavedImage)
assert_type(client.process(painting).to_pil(), Image.Image)
assert_type(client.process(TextToImageInput(model=models.image("lucy-pro-t2i"), prompt="A lake")), ImageResult)
assert_type(client.models.resolve("lucy-latest"), str)
assert_type(client.models.resolve(["lucy-latest"]), dict[str, str])
assert_type(client.models.resolve(models.video("lucy-latest")), str)
assert_type(client.models.resolve([models.video("lucy-latest"), "lucy-clip"]), dict[str, str])
assert_type(client.models.resolve((models.video("lucy-latest"), models.image("lucy-image-2"))), dict[str, str])
assert_type(client.verify(Path("lake.mp4")), Provenance)
assert_type(client.verify(client.process(painting)), Provenance)
assert_type(client.verify(client.process(painting, save_to="oil.png")), Provenance)


# Options


def each_task(picture: Path, file: BinaryIO) -> None:
    """Every task's dict type checks where it is written, and so does its input object."""
    submit = client.queue.submit
    assert_type(submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}), JobSubmitResponse)
    submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake", "resolution": "720p", "orientation": "portrait"})
    submit({"model": models.video("lucy-pro-i2v"), "prompt": "wind", "data": file, "seed": 5})
    submit({"model": models.video("lucy-clip"), "prompt": "anime", "data": picture, "reference_image": b"..."})
    submit({"model": models.video("lucy-pro-flf2v"), "prompt": "dawn", "start": picture, "end": io.BytesIO(b"...")})
    submit({"model": models.video("lucy-motion"), "data": picture, "trajectory": [{"frame": 0, "x": 0.5, "y": 0.5}]})
    submit({"model": models.video("lucy-restyle-2"), "data": picture, "prompt": "oil", "enhance_prompt": True})
    submit({"model": models.video("lucy-2.5"), "data": picture, "self_anchor": False})
    submit({"model": models.video("lucy-vton-3.6"), "data": picture, "reference_image": picture})
    client.process({"model": models.image("lucy-pro-t2i"), "prompt": "A lake", "orientation": "portrait"})
    client.process({"model": models.image("lucy-image-2"), "prompt": "oil", "data": picture, "reference_image": b""})
    image, video = client.process(painting), client.queue.result("id")
    client.process({"model": models.image("lucy-image-2"), "prompt": "oil", "data": image, "reference_image": image})
    if video.status == "completed":
        submit({"model": models.video("lucy-2.5"), "data": video, "reference_image": ("a.png", image)})
    submit(TextToVideoInput(model=models.video("lucy-pro-t2v"), prompt="A lake"))
    submit(VideoEditInput(model=models.video("lucy-2.5"), data=picture))
    client.process(ImageToImageInput(model=models.image("lucy-image-2"), prompt="oil", data=picture))


def any_name(name: str, listed: VideoModelName, model: ModelDefinition) -> None:
    """A model whose task is known at run time only takes the options of any task."""
    client.queue.submit({"model": models.video(name), "prompt": "A lake"})
    client.queue.submit({"model": models.video(name), "prompt": "A lake", "data": b"..."})
    client.queue.submit({"model": model, "data": b"...", "self_anchor": True})
    models.video(listed)


def own_model(picture: Path) -> None:
    mine = ModelDefinition(name="lucy-preview", task="video-edit")
    client.queue.submit({"model": mine, "data": picture, "prompt": "A hat"})
    client.queue.submit({"model": ModelDefinition(name="m", task="text-to-video"), "prompt": "A lake"})


def on_status(job: JobStatusResponse) -> None:
    assert_type(job.status, str)


options: ImageToVideoOptions = {"model": models.video("lucy-pro-i2v"), "prompt": "wind", "data": Path("image.jpg")}
options["data"] = io.BytesIO(b"picture")
options["on_status_change"] = lambda job: print(job.status)

any_options: JobOptions = options


# Tokens and files


def tokens() -> None:
    token = client.tokens.create(
        expires_in=timedelta(minutes=5),
        allowed_models=["lucy-2.5", models.video("lucy-2.6")],
        allowed_origins=("https://example.com",),
        constraints={"realtime": {"maxSessionDuration": 60}},
        metadata={"user": "ann"},
    )
    assert_type(token, CreateTokenResponse)
    assert_type(token.expires_at, datetime)
    text: str = token.api_key
    assert_type(client.tokens.verify(text), VerifiedClientToken)
    claims: ClientTokenClaims = client.tokens.decode(text)
    assert_type(claims.models, tuple[str, ...] | None)


def files(picture: Path) -> None:
    file = client.files.upload(picture, ttl="persistent", progress=True)
    assert_type(file, FileReference)
    assert_type(client.files.upload(("a.png", b"..."), 60), FileReference)
    assert_type(client.files.get(file.id).expires_at, datetime | None)
    client.files.delete(file)


# Results

with DecartClient() as same:
    assert_type(same, DecartClient)
    result = same.queue.submit_and_poll(options, on_status_change=on_status, poll=PollPolicy(timeout=60))
    if result.status == "completed":
        assert_type(result.data, bytes)
        assert_type(result.save("lake.mp4"), Path)
    else:
        assert_type(result.error, str)
        assert_type(result.timed_out, bool)
    saved = same.queue.submit_and_poll(
        {
            "model": models.video("lucy-pro-t2v"),
            "prompt": "A lake",
            "on_status_change": lambda job: print(job.status),
        },
        save_to="lake.mp4",
    )
    assert_type(saved.data, None)
    if saved.status == "completed":
        assert_type(saved.path, Path)
    common: QueueJobResult = saved
    match result:
        case CompletedJob(data=data):
            assert_type(data, bytes)
        case FailedJob(error=error):
            assert_type(error, str)

try:
    client.queue.submit(options)
except QueueSubmitError as failure:
    assert_type(failure.job_id, str | None)
    assert_type(failure.retry_after, float | None)
    assert_type(failure.cause, DecartSDKError | None)


async def awaited() -> None:
    async with DecartClient() as opened:
        assert_type(opened, AsyncDecartClient)
        assert_type(await opened.queue.submit(options), JobSubmitResponse)
        assert_type(await opened.queue.status("id"), JobStatusResponse)
        assert_type(await opened.queue.result("id"), CompletedJob | FailedJob)
    assert_type(client.aio, AsyncDecartClient)

    async def tell(job: JobStatusResponse) -> None: ...

    async with AsyncDecartClient(transport=AiohttpTransport()) as same:
        assert_type(same, AsyncDecartClient)
        ended = await same.queue.submit_and_poll(options, on_status_change=tell, cancel=asyncio.Event())
        assert_type(ended, CompletedJob | FailedJob)
        assert_type(await same.queue.poll("id", cancel=threading.Event()), CompletedJob | FailedJob)
        assert_type(await same.queue.poll("id", save_to=Path("lake.mp4")), SavedJob | FailedJob)
        assert_type(await ended.asave("lake.mp4"), Path)
        assert_type(await same.process(painting, cancel=asyncio.Event()), ImageResult)
        assert_type(await same.process(painting, save_to=Path("oil.png")), SavedImage)
        assert_type(await same.models.resolve(("lucy-latest",)), dict[str, str])
        assert_type(await same.verify(b"..."), Provenance)
        assert_type(await same.tokens.create(), CreateTokenResponse)
        assert_type(await same.tokens.verify("eyJ"), VerifiedClientToken)
        assert_type(same.tokens.decode("eyJ"), ClientTokenClaims)
        assert_type(await same.files.upload(b"...", ttl=timedelta(hours=1)), FileReference)
    DecartClient(transport=AiohttpTransport(), event_hooks=[Tracing()])
    DecartClient(transport="urllib3")
    DecartClient(transport=Urllib3Transport(connections=8))
    AsyncDecartClient(transport="aiohttp")
    AsyncDecartClient(transport=RequestsTransport())
    AsyncDecartClient(transport=ThreadedTransport(RequestsTransport(), threads=4))
