"""Change the style of a video: "Video Editing with Queue" of the Queue API documentation.

Run: python examples/video_editing.py [--emulator]      It saves anime.mp4 in the current folder.
Cost: depends on the length of the video; with --emulator nothing, and the video is a placeholder.
"""

from pathlib import Path

from _emulator import decart_client

from decart import models

MEDIA = Path(__file__).parent / "media"

with decart_client() as client:
    result = client.queue.submit_and_poll({
        "model": models.video("lucy-clip"),  # the documented name, lucy-pro-v2v, is a deprecated alias
        "prompt": "Convert to anime style with vibrant colors",
        "data": MEDIA / "input.mp4",  # a path is streamed, never held in memory
        "on_status_change": lambda job: print(f"Status: {job.status}"),
    })

result.raise_for_status()
print(f"Video saved to {result.save('anime.mp4')}")
