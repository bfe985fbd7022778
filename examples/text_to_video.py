"""A video from a text, in one call: the page's "Submit and Poll".

Run: python examples/text_to_video.py [--emulator]      It leaves lake.mp4 in the current folder.
Costs: one five-second video; nothing with --emulator, whose pictures are placeholders.
"""

from _box import decart_client

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
