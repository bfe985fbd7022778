"""Note in a journal what becomes of jobs that were submitted, and which call has them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ..events import log
from ..jobs import JobStatusResponse
from ..journal.owners import LEASE, Claim, may_be_alive
from ..journal.records import UNFINISHED, JobRecord, Journal, State
from .backend import finish_in_thread, in_thread
from .engine import AsyncEngine


class AsyncJobNotes:
    """The journal of one client, for jobs that were submitted."""

    def __init__(self, engine: AsyncEngine, journal: Journal) -> None:
        self.engine, self.journal = engine, journal

    def now(self) -> float:
        """Return the UNIX time, by the transport's clock."""
        return float(getattr(self.engine.transport, "time", time.time)())

    async def note(self, job: JobStatusResponse) -> None:
        """Record a status of a job that is in the journal."""
        fields = {"status": job.status, "error": job.error}
        if job.finished:
            fields["state"] = job.status
        await in_thread(partial(self._revise, job.job_id, ("accepted",), fields))

    async def delivered(self, job_id: str, path: Path | None) -> None:
        """Record that the video of a job was handed over, or saved to a file."""
        fields = {"state": "delivered", "status": "completed", "owner": ""}
        if path is not None:
            fields["saved_to"] = str(path)
        await in_thread(partial(self._revise, job_id, (*UNFINISHED, "delivered"), fields))

    async def release(self, job_id: str, claim: Claim) -> None:
        """Leave a job to others, unless its video was handed over."""
        await finish_in_thread(partial(self._revise, job_id, UNFINISHED, {"owner": ""}, claim.owner))
        claim.ended = True

    async def take(self, job_id: str, claim: Claim) -> bool:
        """Take up an unfinished job that no live call has; return whether nobody was faster."""
        return await finish_in_thread(partial(self._take, job_id, claim.owner))

    def _take(self, job_id: str, owner: str) -> bool:
        while True:
            record = self.journal.by_job(job_id)
            if record is None or record.state not in UNFINISHED or self.is_under_way(record):
                return False
            taken = record.changed(self.now(), owner=owner, due_at=None, poll=None)  # from a scheduler, too
            if self.journal.replace(taken):
                return True

    def is_under_way(self, record: JobRecord) -> bool:
        """Return whether a call may be acting on a record now. A step that saves a video has ``LEASE`` seconds."""
        now = self.now()
        is_over = record.due_at is not None and now - record.updated_at >= LEASE  # its process may live on
        return not is_over and may_be_alive(record.owner, record.updated_at, now)

    def _revise(
        self, job_id: str, states: tuple[State, ...], fields: Mapping[str, str | None], owner: str | None = None
    ) -> None:
        """Change the record of a job in these states, and of this owner if it is given.

        One that is advanced by steps is ended only by them. A failure is logged, since the caller's video matters more.
        """
        try:
            while True:
                record = self.journal.by_job(job_id)
                if record is None or record.state not in states or owner not in (None, record.owner):
                    return
                if record.due_at is not None and owner is None:
                    fields = {name: fields[name] for name in ("status", "error") if name in fields}
                if all(getattr(record, name) == value for name, value in fields.items()):
                    return
                if self.journal.replace(record.changed(self.now(), **fields)):
                    return
        except Exception as error:  # also one that a journal of the caller's should not raise
            log.warning("the journal could not record what became of job %s: %s", job_id, error)
