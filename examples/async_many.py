"""Several videos at the same time, over aiohttp, with a callback that is awaited.

Run: python examples/async_many.py [--emulator]      It leaves lake.mp4 and forest.mp4 in the current folder.
Needs: pip install 'decart-queue[async]'. Costs: two five-second videos; nothing with --emulator.
"""

import asyncio

from _box import Where, service

from decart import AiohttpTransport, AsyncDecartClient, JobStatusResponse, models


async def show(job: JobStatusResponse) -> None:
    await asyncio.sleep(0)  # a message to a browser, for example
    print(f"  {job.status}")


async def make(client: AsyncDecartClient, name: str, prompt: str) -> None:
    result = await client.queue.submit_and_poll(
        {"model": models.video("lucy-pro-t2v"), "prompt": prompt}, on_status_change=show
    )
    result.raise_for_status()
    await result.asave(name)
    print(f"Video saved to {name}")


async def main(where: Where) -> None:
    async with AsyncDecartClient(**where, transport=AiohttpTransport()) as client:
        await asyncio.gather(
            make(client, "lake.mp4", "A serene lake at sunset"),
            make(client, "forest.mp4", "A forest in the fog"),
        )


with service() as where:
    asyncio.run(main(where))
