"""Restyle a video: a first program with a current model.

Run: python examples/restyle.py [--emulator]      It saves restyled.mp4 in the current folder.
Cost: depends on the length of the video; with --emulator nothing, and the video is a placeholder.
"""

from pathlib import Path

from _emulator import decart_client

from decart import models

VIDEO = Path(__file__).parent / "media" / "input.mp4"

with decart_client() as client:
    result = client.queue.submit_and_poll({
        "model": models.video("lucy-restyle-2"),
        "prompt": "A watercolor painting",
        "data": VIDEO,
        "on_status_change": lambda job: print(f"Status: {job.status}"),
    })

result.save("restyled.mp4")  # raises JobFailedError if the job failed
print("Video saved to restyled.mp4")
