"""Download a video straight to a file, show the progress, and resume the download if it is interrupted.

Run: python examples/download.py [--emulator]      It saves lantern.mp4 in the current folder.
Cost: depends on the length of the video; with --emulator nothing, and the video is a placeholder.
"""

from pathlib import Path

from _emulator import decart_client

from decart import Progress, QueueResultError, models

VIDEO = Path(__file__).parent / "media" / "input.mp4"


def show(progress: Progress) -> None:
    share = f"{progress.done / progress.total:4.0%}" if progress.total else f"{progress.done} bytes"
    print(f"  {progress.direction}: {share}")


with decart_client() as client:
    job = client.queue.submit({
        "model": models.video("lucy-2.6"),
        "prompt": "Turn the balloon into a paper lantern",
        "data": VIDEO,
    })

    print(f"Job submitted: {job.job_id}")  # keep the id: it is all you need to come back to the job

    try:
        result = client.queue.poll(job, save_to="lantern.mp4", progress=show)
        result.raise_for_status()
    except QueueResultError as error:
        print(f"{error.message} Resuming:")
        client.queue.download(job, "lantern.mp4", progress=show)

    print("Video saved to lantern.mp4")
