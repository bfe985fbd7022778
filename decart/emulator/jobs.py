"""The jobs of an emulator."""

from __future__ import annotations

import shutil
from concurrent.futures import Future
from pathlib import Path

import attrs

from .scenario import Turn


@attrs.frozen(kw_only=True, eq=False)
class Job:
    """One job.

    Attributes:
        id: Its id, which cannot be guessed.
        submitted: The time of the submit, on the emulator's clock.
        target: The path of its result, in a folder of its own.
        turn: How long it takes, and the faults that it meets.
        work: The rendering.
        kind: The MIME type of the result.
        fault: The name of the fault that decides its outcome, if there is one.
    """

    id: str
    submitted: float
    target: Path
    turn: Turn
    work: Future[None]
    kind: str
    fault: str | None = None


class Jobs:
    """The jobs in progress, and the latest ones that ended: an emulator that runs for weeks must not fill the disk.

    Args:
        keep: How many jobs are kept. Beyond that, each new job deletes the oldest one that has been rendered, with its
            video; a download of it that is in progress continues.

    Example:
        >>> jobs = Jobs(keep=1_000)
        >>> jobs.find("nobody") is None
        True
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._jobs: dict[str, Job] = {}

    def add(self, job: Job) -> None:
        """Add a job, and delete the oldest ones beyond the limit."""
        self._jobs[job.id] = job
        too_many = len(self._jobs) - self._keep
        if too_many > 0:
            # the plain `done`: that of a job which is rendered on demand would render it
            ended = [each for each in list(self._jobs.values()) if Future.done(each.work)]
            for old in ended[:too_many]:
                self._jobs.pop(old.id, None)
                shutil.rmtree(old.target.parent, ignore_errors=True)

    def find(self, job_id: str) -> Job | None:
        """Return a job, or None for an id that is unknown or has been deleted."""
        return self._jobs.get(job_id)

    def clear(self) -> None:
        """Delete all jobs."""
        self._jobs.clear()
