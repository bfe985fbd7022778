"""One client for sync and async code: submit in a plain function, wait in a coroutine, in one event loop after another.

Run: python examples/async_beside_sync.py [--emulator]      It leaves sunset.mp4 in the current folder.
Costs: one five-second video; nothing with --emulator, whose pictures are placeholders.
"""

import asyncio

from _box import decart_client

from decart import models


async def status_of(job_id: str) -> str:
    return (await client.aio.queue.status(job_id)).status


async def save(job_id: str) -> None:
    result = await client.aio.queue.poll(job_id)
    await result.asave("sunset.mp4")
    print("Video saved to sunset.mp4")


with decart_client() as client:
    job = client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A beautiful sunset"})
    print(f"Status: {asyncio.run(status_of(job.job_id))}")
    asyncio.run(save(job.job_id))
