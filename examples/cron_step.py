"""Wait for jobs without a process that waits: cron runs this program every minute, and it checks the jobs that are due.

Run: python examples/cron_step.py --submit in.mp4 "Anime style" out.mp4     submits a job and exits
     python examples/cron_step.py                                           checks once and exits: cron's command
     python examples/cron_step.py --emulator                                does both in one process, without cron
It keeps its jobs in jobs.sqlite3 in the current folder.
Cost: each submit, by the length of the video; with --emulator nothing, and the video is a placeholder.
"""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from _emulator import decart_client, parser

from decart import DecartClient, JobTimeoutError, QueueStatusError, models

TABLE = "CREATE TABLE IF NOT EXISTS job (job_id TEXT PRIMARY KEY, path TEXT, state TEXT, due REAL, outcome TEXT)"
VIDEO = Path(__file__).parent / "media" / "input.mp4"


def submit(client: DecartClient, jobs: sqlite3.Connection, video: str, prompt: str, path: str) -> None:
    job = client.queue.submit({"model": models.video("lucy-restyle-2"), "prompt": prompt, "data": Path(video)})
    print(f"Job submitted: {job.job_id}")
    jobs.execute("INSERT INTO job VALUES (?, ?, 'null', 0, NULL)", (job.job_id, path))


def check_due_jobs(client: DecartClient, jobs: sqlite3.Connection) -> None:
    """Make one step of each wait that is due."""
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


parser.add_argument("--submit", nargs=3, metavar=("VIDEO", "PROMPT", "PATH"), help="submit a job and exit")
options = parser.parse_args()

with decart_client() as client, closing(sqlite3.connect("jobs.sqlite3", isolation_level=None)) as jobs:
    jobs.execute(TABLE)
    if options.emulator:  # the emulator forgets its jobs when this process exits
        submit(client, jobs, str(VIDEO), "Anime style", "anime.mp4")
        while jobs.execute("SELECT 1 FROM job WHERE outcome IS NULL").fetchone():
            check_due_jobs(client, jobs)
            time.sleep(0.5)  # cron would wait for a minute
    elif options.submit:
        submit(client, jobs, *options.submit)
    else:
        check_due_jobs(client, jobs)
