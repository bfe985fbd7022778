"""Make several videos at once over aiohttp, with a callback that is awaited.

Run: python examples/async_many.py [--emulator]      It saves anime.mp4 and sketch.mp4 in the current folder.
Needs: pip install 'decart-queue[async]'
Cost: two videos of the length of the input; with --emulator nothing, and the videos are placeholders.
"""

import asyncio
from pathlib import Path

from _emulator import Service, service

from decart import AiohttpTransport, AsyncDecartClient, JobStatusResponse, models

VIDEO = Path(__file__).parent / "media" / "input.mp4"


async def show(job: JobStatusResponse) -> None:
    await asyncio.sleep(0)  # for example, send a message to a browser
    print(f"  {job.status}")


async def make(client: AsyncDecartClient, prompt: str, path: str) -> None:
    result = await client.queue.submit_and_poll(
        {"model": models.video("lucy-restyle-2"), "prompt": prompt, "data": VIDEO}, on_status_change=show
    )
    await result.asave(path)
    print(f"Video saved to {path}")


async def main(arguments: Service) -> None:
    async with AsyncDecartClient(**arguments, transport=AiohttpTransport()) as client:
        await asyncio.gather(
            make(client, "Anime style with vibrant colors", "anime.mp4"),
            make(client, "A pencil sketch", "sketch.mp4"),
        )


with service() as arguments:
    asyncio.run(main(arguments))
