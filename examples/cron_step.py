"""Wait for jobs without a process that waits: cron starts this program each minute, and it checks what is due.

Run: python examples/cron_step.py "A serene lake" lake.mp4     submits a job, and ends at once
     python examples/cron_step.py                              what cron runs: it ends at once, too
     python examples/cron_step.py --emulator                   both of it in one process, without cron
It keeps its jobs in jobs.sqlite3 and saves their videos in the current folder.
Costs: one five-second video for each submit; nothing with --emulator, whose pictures are placeholders.
"""

import json
import sqlite3
import sys
import time
from contextlib import closing

from _box import decart_client

from decart import DecartClient, JobTimeoutError, QueueStatusError, models

TABLE = "CREATE TABLE IF NOT EXISTS job (job_id TEXT PRIMARY KEY, path TEXT, state TEXT, due REAL, outcome TEXT)"


def submit(client: DecartClient, jobs: sqlite3.Connection, prompt: str, path: str) -> None:
    job = client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": prompt, "resolution": "480p"})
    print(f"Job submitted: {job.job_id}")
    jobs.execute("INSERT INTO job VALUES (?, ?, 'null', 0, NULL)", (job.job_id, path))


def check_due_jobs(client: DecartClient, jobs: sqlite3.Connection) -> None:
    """Make one step of each wait whose time has come."""
    due = "SELECT job_id, path, state FROM job WHERE outcome IS NULL AND due <= ?"
    for job_id, path, state in jobs.execute(due, (time.time(),)).fetchall():
        try:
            step = client.queue.poll_once(job_id, json.loads(state))
        except (JobTimeoutError, QueueStatusError) as error:  # out of time, or no status check can succeed
            end(jobs, job_id, error.message)
            continue
        if step.job is None:
            next_step = json.dumps(step.state), time.time() + step.wait
            jobs.execute("UPDATE job SET state = ?, due = ? WHERE job_id = ?", (*next_step, job_id))
        elif step.job.status == "failed":
            end(jobs, job_id, f"Generation failed: {step.job.error}")
        else:  # if this fails, the job stays due, and the next run resumes the download
            client.queue.download(job_id, path)
            end(jobs, job_id, f"Video saved to {path}")


def end(jobs: sqlite3.Connection, job_id: str, outcome: str) -> None:
    jobs.execute("UPDATE job SET outcome = ? WHERE job_id = ?", (outcome, job_id))
    print(outcome)


with decart_client() as client, closing(sqlite3.connect("jobs.sqlite3", isolation_level=None)) as jobs:
    jobs.execute(TABLE)
    if "--emulator" in sys.argv:  # the emulator forgets its jobs when this process ends
        submit(client, jobs, "A serene lake", "lake.mp4")
        while jobs.execute("SELECT 1 FROM job WHERE outcome IS NULL").fetchone():
            check_due_jobs(client, jobs)
            time.sleep(0.5)  # as cron does, for a minute
    elif len(sys.argv) == 3:
        submit(client, jobs, sys.argv[1], sys.argv[2])
    else:
        check_due_jobs(client, jobs)
