"""Generate a video from text in one call: "Submit and Poll" of the Queue API documentation.

Run: python examples/text_to_video.py [--emulator]      It saves lake.mp4 in the current folder.
Cost: a five-second video; with --emulator nothing, and the video is a placeholder.
The documented model was retired in March 2026; restyle.py uses a current one.
"""

from _emulator import decart_client

from decart import models

with decart_client() as client:
    print("Submitting video generation job...")

    result = client.queue.submit_and_poll({
        "model": models.video("lucy-pro-t2v"),
        "prompt": "A serene lake at sunset with mountains in the background",
        "resolution": "720p",
        "on_status_change": lambda job: print(f"  Status: {job.status}"),
    })

    if result.status == "completed":
        result.save("lake.mp4")
        print("Video saved to lake.mp4")
    else:
        print(f"Generation failed: {result.error}")
