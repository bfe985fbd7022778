"""Generate a video for each prompt of a list, with at most 16 threads.

Run: python examples/many_jobs.py [--emulator]      It saves lake-0.mp4 to lake-2.mp4 in the current folder.
Cost: three five-second videos; with --emulator nothing, and the videos are placeholders.
client.queue.pool(progress=True) would show a bar (extra progress).
With a journal and resume=True, it would continue where a killed run stopped: docs/many-jobs.md.
The documented model was retired in March 2026; restyle.py uses a current one.
"""

from collections.abc import Iterator

from _emulator import decart_client

from decart import JobOptions, models

PROMPTS = ["A serene lake at sunset", "A lake in the rain", "A frozen lake"]


def jobs() -> Iterator[JobOptions]:
    for prompt in PROMPTS:  # as many as you like: they are read as they are needed
        yield {"model": models.video("lucy-pro-t2v"), "prompt": prompt}


with decart_client() as client, client.queue.pool() as pool:
    for result in pool.map(jobs(), save_to="lake-{index}.mp4"):
        if result.status == "completed":
            print(f"Video saved to {result.path}")
        else:
            print(f"Generation failed: {result.error}")
