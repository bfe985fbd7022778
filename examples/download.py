"""A video straight into a file, with its progress, and a second attempt that resumes the first.

Run: python examples/download.py [--emulator]      It leaves harbour.mp4 in the current folder.
Costs: one five-second video; nothing with --emulator, whose pictures are placeholders.
"""

from _box import decart_client

from decart import Progress, QueueResultError, models


def show(progress: Progress) -> None:
    share = f"{progress.done / progress.total:4.0%}" if progress.total else f"{progress.done} bytes"
    print(f"  {progress.direction}: {share}")


with decart_client() as client:
    job = client.queue.submit({
        "model": models.video("lucy-pro-t2v"),
        "prompt": "A harbour in the morning, boats coming home",
    })

    print(f"Job submitted: {job.job_id}")  # keep the id: it is all you need to come back to the job

    try:
        result = client.queue.poll(job, save_to="harbour.mp4", progress=show)
        result.raise_for_status()
    except QueueResultError as error:
        print(f"{error.message} Resuming:")
        client.queue.download(job, "harbour.mp4", progress=show)

    print("Video saved to harbour.mp4")
