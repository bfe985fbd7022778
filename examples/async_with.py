"""The page's "Complete Example", awaited: `async with DecartClient(...)` gives an AsyncDecartClient.

Run: python examples/async_with.py [--emulator]      It leaves cityscape.mp4 in the current folder.
Costs: one five-second video; nothing with --emulator, whose pictures are placeholders.
"""

import asyncio

from _box import Where, service

from decart import DecartClient, models


async def generate_video(where: Where) -> None:
    async with DecartClient(**where) as client:
        print("Submitting video generation job...")

        result = await client.queue.submit_and_poll({
            "model": models.video("lucy-pro-t2v"),
            "prompt": "A futuristic cityscape with flying cars",
            "resolution": "720p",
            "on_status_change": lambda job: print(f"  Status: {job.status}"),
        })

        if result.status == "completed":
            await result.asave("cityscape.mp4")
            print("Video saved to cityscape.mp4")
        else:
            print(f"Generation failed: {result.error}")


with service() as where:
    asyncio.run(generate_video(where))
