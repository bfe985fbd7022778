"""Await everything: `async with DecartClient(...)`, as in "Complete Example" of the Queue API documentation.

Run: python examples/async_with.py [--emulator]      It saves cityscape.mp4 in the current folder.
Cost: a five-second video; with --emulator nothing, and the video is a placeholder.
The documented model was retired in March 2026; restyle.py uses a current one.
"""

import asyncio

from _emulator import Service, service

from decart import DecartClient, models


async def generate_video(arguments: Service) -> None:
    async with DecartClient(**arguments) as client:
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


with service() as arguments:
    asyncio.run(generate_video(arguments))
