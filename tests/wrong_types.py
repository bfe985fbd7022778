"""Wrong programs: type checkers must report each line that ends in ``# E:``, and no other. Never run.

After the mark come mypy's codes, pyright's rules and, where both messages name the mistake, a word of them.
"""

# ruff: noqa: E501
# fmt: off
from __future__ import annotations

import asyncio
from pathlib import Path

from decart import (
    APIError,
    AsyncDecartClient,
    DecartClient,
    ImageToImageInput,
    ImageToVideoInput,
    ImageToVideoOptions,
    ModelDefinition,
    QueueError,
    TextToImageInput,
    TextToVideoInput,
    TextToVideoOptions,
    VideoEditOptions,
    models,
)

client = DecartClient()
submit, submit_and_poll = client.queue.submit, client.queue.submit_and_poll
t2v, i2v, motion = models.video("lucy-pro-t2v"), models.video("lucy-pro-i2v"), models.video("lucy-motion")
edit, t2i, i2i = models.video("lucy-2.5"), models.image("lucy-pro-t2i"), models.image("lucy-image-2")
picture, target = Path("image.jpg"), Path("lake.mp4")

# a dict in place: a wrong key, a missing option, an option of another task, a wrong value
submit({"model": t2v, "promt": "A lake"})  # E: arg-type | reportArgumentType
submit({"model": t2v, "prompt": "A lake", "seconds": 5})  # E: arg-type | reportArgumentType
submit({"model": models.video("lucy-pro-i2v"), "prompt": "wind"})  # E: arg-type | reportArgumentType
submit({"model": motion, "data": picture})  # E: arg-type | reportArgumentType
submit({"model": t2v, "prompt": "A lake", "data": picture})  # E: arg-type | reportArgumentType
submit({"model": i2v, "prompt": "wind", "data": picture, "orientation": "portrait"})  # E: arg-type | reportArgumentType
submit({"model": t2v, "prompt": "A lake", "resolution": "1080p"})  # E: arg-type | reportArgumentType
submit({"model": t2v, "prompt": "A lake", "seed": "5"})  # E: arg-type | reportArgumentType
submit({"model": i2v, "prompt": "wind", "data": 5})  # E: arg-type | reportArgumentType
submit({"model": "lucy-pro-t2v", "prompt": "A lake"})  # E: arg-type | reportArgumentType
submit({"prompt": "A lake"})  # E: arg-type | reportArgumentType
submit({"model": ModelDefinition(name="m", task="motion"), "prompt": "x"})  # E: arg-type | reportArgumentType
submit({"model": models.image("lucy-pro-t2i"), "prompt": "A lake"})  # E: arg-type | reportArgumentType
client.process({"model": t2v, "prompt": "A lake"})  # E: call-overload | reportArgumentType
client.process({"model": models.image("lucy-image-2"), "prompt": "oil"})  # E: call-overload | reportArgumentType
submit(TextToImageInput(model=t2i, prompt="A lake"))  # E: arg-type | reportArgumentType | "TextToImageInput"
submit_and_poll(ImageToImageInput(model=i2i, prompt="oil", data=picture))  # E: call-overload | reportArgumentType
client.process(TextToVideoInput(model=t2v, prompt="A lake"))  # E: call-overload | reportArgumentType
submit({"model": models.image("lucy-image-2"), "prompt": "oil", "data": picture})  # E: arg-type | reportArgumentType
submit_and_poll({"model": t2v, "promt": "A lake"})  # E: call-overload | reportArgumentType
submit_and_poll({"model": i2v, "prompt": "wind"}, save_to="a.mp4")  # E: call-overload | reportArgumentType,reportCallIssue
submit_and_poll({"model": t2v, "prompt": "A lake", "save_to": "a.mp4"})  # E: call-overload | reportArgumentType

# a dict of a declared task: the message names the key
typo: TextToVideoOptions = {"model": t2v, "prompt": "x", "promt": ""}  # E: typeddict-unknown-key | reportAssignmentType | "promt"
no_data: ImageToVideoOptions = {"model": i2v, "prompt": "wind"}  # E: typeddict-item | reportAssignmentType | "data"
other: TextToVideoOptions = {"model": t2v, "prompt": "x", "data": b""}  # E: typeddict-unknown-key | reportAssignmentType | "data"
value: VideoEditOptions = {"model": edit, "data": picture, "seed": "5"}  # E: typeddict-item | reportAssignmentType | "int | None"
model: VideoEditOptions = {"model": t2v, "data": picture}  # E: typeddict-item | reportAssignmentType | "text-to-video"

# input objects: the message names the argument
TextToVideoInput(model=t2v)  # E: call-arg | reportCallIssue | "prompt"
TextToVideoInput(model=t2v, prompt="A lake", data=picture)  # E: call-arg | reportCallIssue | "data"
ImageToVideoInput(model=i2v, prompt="wind")  # E: call-arg | reportCallIssue | "data"

# models
ModelDefinition(name="m", task="text-to-movie")  # E: type-var | reportArgumentType | "text-to-movie"
models.video(5)  # E: call-overload | reportArgumentType,reportCallIssue

# results
result = client.queue.result("id")
target.write_bytes(result.data)  # E: arg-type | reportArgumentType | "None"
saved = client.queue.poll("id", save_to="lake.mp4")
if saved.status == "completed":
    target.write_bytes(saved.data)  # E: arg-type | reportArgumentType | "None"
else:
    print(saved.path / "x")  # E: operator | reportOperatorIssue | "None"

# images, tokens
image = client.process({"model": models.image("lucy-image-2"), "prompt": "oil", "data": picture})
client.verify(client.queue.result("id"))  # E: arg-type | reportArgumentType | "FailedJob"
client.verify(client.files.get("file_id"))  # E: arg-type | reportArgumentType | "FileReference"
print(image.path)  # E: attr-defined | reportAttributeAccessIssue | "path"
print(client.process({"model": models.image("lucy-pro-t2i"), "prompt": "oil"}, save_to="a.png").data)  # E: attr-defined | reportAttributeAccessIssue | "data"
client.tokens.verify(client.tokens.create().token)  # E: arg-type | reportArgumentType | "None"

# journals
client.jobs.settle("order-1")  # E: call-arg | reportCallIssue | "job_id"
client.jobs.select(states=["done"])  # E: list-item | reportArgumentType
print(client.jobs.get("order-1").job_id)  # E: union-attr | reportOptionalMemberAccess
DecartClient(journal=5)  # E: arg-type | reportArgumentType
submit({"model": t2v, "prompt": "A lake"}, label=5)  # E: arg-type | reportArgumentType

# errors
QueueError("m", None)  # E: call-arg | reportCallIssue
APIError("m")  # E: call-arg | reportCallIssue | "status_code"

# clients
DecartClient(transport="httpx")  # E: arg-type | reportArgumentType | "httpx"
AsyncDecartClient(poll=5)  # E: arg-type | reportArgumentType | "PollPolicy"
client.queue.poll("id", cancel=asyncio.Event())  # E: call-overload | reportArgumentType


async def awaited() -> None:
    await client.queue.submit({"model": t2v, "prompt": "A lake"})  # E: misc | reportGeneralTypeIssues | "JobSubmitResponse"
