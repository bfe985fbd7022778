"""What the service reports about a job, and its result: the video, in memory or in a file, or why there is none.

A job moves one way, and only two statuses end a wait. Any other word, known or not, means "check again later", so a
status that the service introduces tomorrow breaks nobody.

==============  ===========================
status          meaning
==============  ===========================
``pending``     wait: in the queue
``processing``  wait: running
``completed``   finished: fetch the result
``failed``      failed: read the reason
anything else   wait, and log it once
==============  ===========================
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, overload

import attrs

from .errors import JobFailedError, JobTimeoutError
from .results import FileResult, InNotebook, Savable, size_of, write_to

JobStatus = Literal["pending", "processing", "completed", "failed"]
KNOWN = frozenset({"pending", "processing", "completed", "failed"})
FINISHED = frozenset({"completed", "failed"})


@attrs.frozen(kw_only=True)
class JobSubmitResponse(InNotebook):
    """The service accepted a job, and bills it.

    Attributes:
        job_id: The id of the job; keep it, because it is all that is needed to find the job again.
        status: The first status, ``"pending"``.
        model: The name of the model that runs it.
    """

    job_id: str
    status: str
    model: str | None = attrs.field(default=None, eq=False)


@attrs.frozen(kw_only=True)
class JobStatusResponse(InNotebook):
    """The status of a job.

    Attributes:
        job_id: The id of the job.
        status: ``"pending"``, ``"processing"``, ``"completed"``, ``"failed"``, or a word introduced since.
        error: The reason for a failure, if the service gave one.
        model: The name of its model, if this client submitted it.
        elapsed: Seconds since the service accepted it, if this client submitted it.
    """

    job_id: str
    status: str
    error: str | None = None
    model: str | None = attrs.field(default=None, eq=False)
    elapsed: float | None = attrs.field(default=None, eq=False)

    @property
    def finished(self) -> bool:
        """Whether the job has completed or failed."""
        return self.status in FINISHED


@attrs.frozen(kw_only=True)
class PollStep:
    """One step of a wait; see ``client.queue.poll_once``.

    Attributes:
        job: The finished job; ``None`` if it has not finished yet.
        wait: Seconds until the next step; 0 if there is none.
        state: What the next step needs, as JSON values.
    """

    job: JobStatusResponse | None
    wait: float
    state: dict[str, Any] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class QueueJobResult(Savable):
    """The result of a job.

    The queue returns one of three subclasses, so that a type checker knows what ``status`` implies: ``CompletedJob``
    has ``data``, ``SavedJob`` (for ``save_to=``) has ``path``, and ``FailedJob`` has ``error``.

    Attributes:
        job_id: The id of the job.
        status: ``"completed"`` or ``"failed"``.
        data: The video (MP4) or image (PNG) as bytes, if it completed; never part of a ``repr``.
        error: What went wrong, if it failed.
        path: The file that holds the video instead of ``data`` (``save_to=``).
        timed_out: True if the wait ended before the job did: the job may still finish, and
            ``client.queue.poll(job_id)`` waits for it again.
        model: The name of the job's model, if this client submitted it.
        elapsed: Seconds from the accepted submit until the job was seen to be finished, if this client submitted it.
    """

    job_id: str
    status: Literal["completed", "failed"]
    data: bytes | None = attrs.field(default=None, repr=size_of)
    error: str | None = None
    path: Path | None = None
    timed_out: bool = False
    model: str | None = attrs.field(default=None, eq=False)
    elapsed: float | None = attrs.field(default=None, eq=False)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from .integrations.notebook import bundle, player

        return bundle(self, player(self.data, self.path))

    def raise_for_status(self) -> None:
        """Raise an error unless the job completed.

        Raises:
            JobTimeoutError: The wait ended before the job did.
            JobFailedError: The job failed.

        Example:
            >>> CompletedJob(job_id="j", data=b"...").raise_for_status()
        """
        if self.status == "completed":
            return
        stated = self.error or f"Job {self.job_id} failed."
        if self.timed_out:
            raise JobTimeoutError(stated, job_id=self.job_id)
        names_the_job = stated.startswith(f"Job {self.job_id} ")
        raise JobFailedError(stated if names_the_job else f"Job {self.job_id} failed: {stated}", job_id=self.job_id)

    def _save(self, path: str | os.PathLike[str], start: str) -> Path:
        self.raise_for_status()
        if self.path is None:
            if not self.data:
                raise JobFailedError(f"The result of job {self.job_id} holds no data to save.", job_id=self.job_id)
            return write_to(path, start, self.data)
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            again = f"fetch it again with client.queue.download({self.job_id!r}, path)"
            raise FileNotFoundError(f"The video of job {self.job_id} is no longer at {self.path}; {again}.") from None
        with file:
            return write_to(path, start, file)


@attrs.frozen(kw_only=True)
class CompletedJob(QueueJobResult, FileResult):
    """The result of a job that completed, with the video or image in memory as ``data``."""

    status: Literal["completed"] = attrs.field(default="completed", init=False)
    data: bytes = attrs.field(repr=size_of)
    error: None = attrs.field(default=None, init=False, repr=False)
    path: None = attrs.field(default=None, init=False, repr=False)
    timed_out: Literal[False] = attrs.field(default=False, init=False, repr=False)


@attrs.frozen(kw_only=True)
class SavedJob(QueueJobResult, FileResult):
    """The result of a job that completed, with the video or image in the file ``path`` (``save_to=``)."""

    status: Literal["completed"] = attrs.field(default="completed", init=False)
    data: None = attrs.field(default=None, init=False, repr=False)
    error: None = attrs.field(default=None, init=False, repr=False)
    path: Path = attrs.field()
    timed_out: Literal[False] = attrs.field(default=False, init=False, repr=False)


@attrs.frozen(kw_only=True)
class FailedJob(QueueJobResult):
    """The result of a job that failed, or of a wait that ended before the job did (``timed_out``)."""

    status: Literal["failed"] = attrs.field(default="failed", init=False)
    data: None = attrs.field(default=None, init=False, repr=False)
    error: str = attrs.field()
    path: None = attrs.field(default=None, init=False, repr=False)


@overload
def to_result(job: JobStatusResponse, *, data: bytes) -> CompletedJob: ...
@overload
def to_result(job: JobStatusResponse, *, path: Path) -> SavedJob: ...
@overload
def to_result(job: JobStatusResponse) -> FailedJob: ...
def to_result(
    job: JobStatusResponse, *, data: bytes | None = None, path: Path | None = None
) -> CompletedJob | SavedJob | FailedJob:
    """Return the result of a finished job: with its video or the file that holds it, or else as failed."""
    facts: dict[str, Any] = {"job_id": job.job_id, "model": job.model, "elapsed": job.elapsed}
    if data is not None:
        return CompletedJob(data=data, **facts)
    if path is not None:
        return SavedJob(path=path, **facts)
    return FailedJob(error=job.error or f"Job {job.job_id} failed, and the service did not say why.", **facts)
