"""Make videos with RQ: a task makes one step of a job, and schedules the next one. See docs/task-queues.md.

Run, in this folder:
  rq worker --with-scheduler --worker-ttl 60 --maintenance-interval 60       a worker; as many as you like
  python queue_rq.py order-1 "Anime style" media/input.mp4                   enqueues a job
Needs: pip install decart-queue rq, a Redis server at RQ_REDIS_URL, and the key in DECART_API_KEY.
The jobs are in jobs.db, the videos in the folder videos.
Cost: one job for each label, however often it is enqueued.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

from redis import Redis
from rq import Queue, Retry

from decart import DecartClient, models

client = DecartClient(journal="jobs.db")
queue = Queue(connection=Redis.from_url(os.environ.get("RQ_REDIS_URL", "redis://localhost")), default_timeout=3600)
retry = Retry(max=10, interval=[0, 60])  # after a killed worker, or an error, such as of the journal


def make_video(label: str, prompt: str, video: str, token: str | None = None) -> None:
    step = client.jobs.step(
        label,
        {"model": models.video("lucy-restyle-2"), "prompt": prompt, "data": Path(video)},
        token=token,
        save_to="videos/{label}.mp4",
        on_done=print,  # or tell the user
    )
    if step.wait is not None:
        queue.enqueue_in(timedelta(seconds=step.wait), make_video, label, prompt, video, step.token, retry=retry)


if __name__ == "__main__":
    queue.enqueue("queue_rq.make_video", *sys.argv[1:], retry=retry)
