"""The jobs of an emulator: what is known of each, and how many are kept."""

from __future__ import annotations

import shutil
from concurrent.futures import Future
from pathlib import Path

import attrs


@attrs.frozen(kw_only=True, eq=False)
class Job:
    """One job in the emulator.

    Attributes:
        id: Its id, which cannot be guessed.
        submitted: When, on the emulator's clock.
        target: Where its video is, once rendered, in a folder of its own.
        work: Renders the video.
        kind: The MIME type of the result.
        fault: The name of the fault that decides what becomes of it, if one does.
    """

    id: str
    submitted: float
    target: Path
    work: Future[None]
    kind: str
    fault: str | None = None


class Jobs:
    """The jobs that are under way, and the last ones that were: an emulator that runs for weeks must not fill the disk.

    Args:
        keep: How many jobs are kept. Beyond that, the oldest one that has been rendered is forgotten for each new one,
            with its video; whoever reads that at the time can go on.

    Example:
        >>> jobs = Jobs(keep=1_000)
        >>> jobs.find("nobody") is None
        True
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._jobs: dict[str, Job] = {}

    def add(self, job: Job) -> None:
        """Take a job in, and forget the oldest ones that are too many."""
        self._jobs[job.id] = job
        too_many = len(self._jobs) - self._keep
        if too_many > 0:
            # the plain `done`, since a job that is rendered when somebody asks for it has not been asked for here
            ended = [each for each in list(self._jobs.values()) if Future.done(each.work)]
            for old in ended[:too_many]:
                self._jobs.pop(old.id, None)
                shutil.rmtree(old.target.parent, ignore_errors=True)

    def find(self, job_id: str) -> Job | None:
        """Return a job, or None for an id that was never given out, or has been forgotten."""
        return self._jobs.get(job_id)

    def clear(self) -> None:
        """Forget all of them."""
        self._jobs.clear()
