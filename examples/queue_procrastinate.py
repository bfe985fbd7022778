"""Make videos with Procrastinate: a task makes one step of a job, and schedules the next one. See docs/task-queues.md.

Run, in this folder:   procrastinate --app queue_procrastinate.app schema --apply            once: creates its tables
                       procrastinate --app queue_procrastinate.app worker                    as many as you like
                       python queue_procrastinate.py order-1 "Anime style" media/input.mp4   enqueues a job
Needs: pip install 'decart-queue[sql]' procrastinate, a PostgreSQL database at DATABASE_URL, and the key in
DECART_API_KEY. The jobs are in the same database, the videos in the folder videos.
Cost: one job for each label, however often it is enqueued.
"""

import os
import sys
from pathlib import Path

from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy

from decart import DecartClient, models
from decart.integrations.sql import SQLAlchemyJournal

DATABASE = os.environ.get("DATABASE_URL", "postgresql://localhost/postgres")
client = DecartClient(journal=SQLAlchemyJournal(DATABASE.replace("postgresql:", "postgresql+psycopg:")))
app = App(connector=PsycopgConnector(conninfo=DATABASE), import_paths=["queue_procrastinate"])


@app.task(name="make_video", retry=RetryStrategy(max_attempts=10, wait=60))
def make_video(label: str, prompt: str, video: str, token: str | None = None) -> None:
    step = client.jobs.step(
        label,
        {"model": models.video("lucy-restyle-2"), "prompt": prompt, "data": Path(video)},
        token=token,
        save_to="videos/{label}.mp4",
        on_done=print,  # or tell the user
    )
    if step.wait is not None:
        next_step = make_video.configure(schedule_in={"milliseconds": round(1000 * step.wait)})
        next_step.defer(label=label, prompt=prompt, video=video, token=step.token)


@app.periodic(cron="* * * * *")
@app.task(name="retry_stalled", queueing_lock="retry_stalled", pass_context=True)
async def retry_stalled(context: JobContext, timestamp: int) -> None:
    """Deliver the tasks of killed workers again; Procrastinate does not do so by itself."""
    for job in await app.job_manager.get_stalled_jobs():
        await app.job_manager.retry_job(job)


if __name__ == "__main__":
    with app.open():
        make_video.defer(**dict(zip(("label", "prompt", "video"), sys.argv[1:], strict=True)))
