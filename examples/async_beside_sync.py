"""Submit from a plain function and wait in a coroutine, with one client and several event loops.

Run: python examples/async_beside_sync.py [--emulator]      It saves noir.mp4 in the current folder.
Cost: depends on the length of the video; with --emulator nothing, and the video is a placeholder.
"""

import asyncio
from pathlib import Path

from _emulator import decart_client

from decart import models

VIDEO = Path(__file__).parent / "media" / "input.mp4"


async def status_of(job_id: str) -> str:
    return (await client.aio.queue.status(job_id)).status


async def save(job_id: str) -> None:
    result = await client.aio.queue.poll(job_id)
    await result.asave("noir.mp4")
    print("Video saved to noir.mp4")


with decart_client() as client:
    job = client.queue.submit({"model": models.video("lucy-restyle-2"), "prompt": "Film noir", "data": VIDEO})
    print(f"Status: {asyncio.run(status_of(job.job_id))}")
    asyncio.run(save(job.job_id))
