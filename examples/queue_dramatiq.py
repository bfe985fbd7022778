"""Make videos with Dramatiq: a task makes one step of a job, and schedules the next one. See docs/task-queues.md.

Run, in this folder:   dramatiq queue_dramatiq                                          a worker; as many as you like
                       python queue_dramatiq.py order-1 "Anime style" media/input.mp4   enqueues a job
Needs: pip install decart-queue 'dramatiq[redis]', a Redis server at REDIS_URL, and the key in DECART_API_KEY.
The jobs are in jobs.db, the videos in the folder videos.
Cost: one job for each label, however often it is enqueued.
"""

import os
import sys
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from decart import DecartClient, models

client = DecartClient(journal="jobs.db")
redis = os.environ.get("REDIS_URL", "redis://localhost")
dramatiq.set_broker(RedisBroker(url=redis, maintenance_chance=100_000))  # in a million: look for killed workers


@dramatiq.actor(time_limit=3_600_000)
def make_video(label: str, prompt: str, video: str, token: str | None = None) -> None:
    step = client.jobs.step(
        label,
        {"model": models.video("lucy-restyle-2"), "prompt": prompt, "data": Path(video)},
        token=token,
        save_to="videos/{label}.mp4",
        on_done=print,  # or tell the user
    )
    if step.wait is not None:
        make_video.send_with_options(args=(label, prompt, video, step.token), delay=round(1000 * step.wait))


if __name__ == "__main__":
    make_video.send(*sys.argv[1:])
