"""A video in another style: the page's "Video Editing with Queue".

Run: python examples/video_editing.py [--emulator]      It leaves anime.mp4 in the current folder.
Costs: by the length of the video; nothing with --emulator, whose pictures are placeholders.
"""

from pathlib import Path

from _box import decart_client

from decart import models

MEDIA = Path(__file__).parent / "media"

with decart_client() as client:
    result = client.queue.submit_and_poll({
        "model": models.video("lucy-clip"),  # the page's lucy-pro-v2v is a deprecated name of the same model
        "prompt": "Convert to anime style with vibrant colors",
        "data": MEDIA / "input.mp4",  # a path is read while it is sent, and never held in memory
        "on_status_change": lambda job: print(f"Status: {job.status}"),
    })

result.raise_for_status()
print(f"Video saved to {result.save('anime.mp4')}")
