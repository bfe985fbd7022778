"""Animate a picture: "Image Animation with Queue" of the Queue API documentation.

Run: python examples/image_animation.py [--emulator]      It saves animated.mp4 in the current folder.
Cost: a five-second video; with --emulator nothing, and the video is a placeholder.
The documented model was retired in March 2026; restyle.py uses a current one.
"""

from pathlib import Path

from _emulator import decart_client

from decart import models

MEDIA = Path(__file__).parent / "media"

with decart_client() as client, open(MEDIA / "image.jpg", "rb") as image_file:
    result = client.queue.submit_and_poll({
        "model": models.video("lucy-pro-i2v"),
        "prompt": "Animate with gentle motion and wind",
        "data": image_file,
        "resolution": "720p",
        "on_status_change": lambda job: print(f"Status: {job.status}"),
    })

result.raise_for_status()
print(f"Video saved to {result.save('animated.mp4')}")
