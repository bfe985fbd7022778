"""Programs with a journal, for the type checkers; nothing here is run."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import assert_type

from decart import (
    AsyncDecartClient,
    CompletedJob,
    DecartClient,
    FailedJob,
    JobInput,
    JobRecord,
    JobsClient,
    JobSubmitResponse,
    Journal,
    JournalError,
    LabelConflictError,
    MemoryJournal,
    PollPolicy,
    QueueJobResult,
    SavedJob,
    SQLiteJournal,
    TextToVideoOptions,
    models,
)
from decart.errors import DecartSDKError

options: TextToVideoOptions = {"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}


def price(job: JobInput) -> float | None:
    return 0.5 if job.model.name == "lucy-pro-t2v" else None


def target(record: JobRecord) -> Path:
    return Path("videos") / f"{record.label}.mp4"


def sync() -> None:
    journals: list[Journal] = [MemoryJournal(), SQLiteJournal("jobs.db", keep_inputs=True)]
    client = DecartClient(journal=journals[0], prices=price)
    DecartClient(journal=Path("jobs.db"), prices={"lucy-pro-t2v": 1})
    assert_type(client.jobs, JobsClient)
    assert_type(client.queue.submit(options, label="order-1", again=True), JobSubmitResponse)
    assert_type(client.queue.submit_and_poll(options, label="order-1"), CompletedJob | FailedJob)
    assert_type(client.queue.submit_and_poll(options, label="x", again=True, save_to="x.mp4"), SavedJob | FailedJob)
    assert_type(client.jobs.get("order-1"), JobRecord | None)
    for record in client.jobs:
        assert_type(record, JobRecord)
        assert_type(record.state == "accepted", bool)
        assert_type(record.cost, float | None)
    for record in client.jobs.select(states=["accepted"], model="lucy-pro-t2v", since=datetime.now(), label_prefix="a"):
        assert_type(record.job_id, str | None)
    assert_type(client.jobs.pending()[0].saved_to, str | None)
    for done in client.jobs.resume(save_to="{label}.mp4", poll=PollPolicy(timeout=60), cancel=threading.Event()):
        assert_type(done.record, JobRecord)
        assert_type(done.result, QueueJobResult | None)
        assert_type(done.error, DecartSDKError | OSError | None)
    client.jobs.resume(save_to=target)
    assert_type(client.jobs.settle("order-1", job_id=None), JobRecord)
    assert_type(client.jobs.submit_again("order-1", options), JobSubmitResponse)
    assert_type(client.jobs.prune(older_than=timedelta(days=90)), int)
    assert_type(client.jobs.spent(since=0.0), float)
    try:
        client.queue.submit(options, label="order-1")
    except LabelConflictError as error:
        print(error.data["differs"])
    except JournalError as error:
        print(error.job_id)


async def not_sync() -> None:
    async with AsyncDecartClient(journal="jobs.db", prices=price) as client:
        assert_type(await client.queue.submit(options, label="order-1"), JobSubmitResponse)
        assert_type(await client.jobs.get("order-1"), JobRecord | None)
        async for record in client.jobs:
            assert_type(record, JobRecord)
        await client.jobs.resume(save_to=target, cancel=asyncio.Event())
        assert_type(await client.jobs.spent(), float)
