"""What the service says of a job, and what it means.

A job moves one way. Only two of its states end a wait; every other word, known or not, means "ask again later", so a
state that the service invents tomorrow breaks nobody.

==============  ==========================
status          means
==============  ==========================
``pending``     wait: in the queue
``processing``  wait: being worked on
``completed``   done: fetch the result
``failed``      failed: read the reason
anything else   wait, and say so once
==============  ==========================
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import attrs

from .errors import JobFailedError, JobTimeoutError

log = logging.getLogger("decart")
T = TypeVar("T")

JobStatus = Literal["pending", "processing", "completed", "failed"]
KNOWN = frozenset({"pending", "processing", "completed", "failed"})
FINISHED = frozenset({"completed", "failed"})


class _AwaitedByMistake:
    """Lets ``await`` stand before a call of the sync client: it has done its work by then, and been paid for.

    A ``TypeError`` at that point would lose the id of the job, or its video. Type checkers do refuse it.
    """

    __slots__ = ()

    if not TYPE_CHECKING:

        def __await__(self: T) -> Generator[None, None, T]:
            log.warning(
                "A call of the sync DecartClient was awaited; it blocked the event loop until it was done. "
                "Write `async with DecartClient(...) as client:`, or await client.aio.queue instead."
            )
            yield from ()
            return self


@attrs.frozen(kw_only=True)
class JobSubmitResponse(_AwaitedByMistake):
    """The service has accepted a job, and bills it.

    Attributes:
        job_id: The job; keep it, everything else can be asked for by it.
        status: Its first status, ``"pending"``.
    """

    job_id: str
    status: str


@attrs.frozen(kw_only=True)
class JobStatusResponse(_AwaitedByMistake):
    """Where a job is.

    Attributes:
        job_id: The job.
        status: ``"pending"``, ``"processing"``, ``"completed"``, ``"failed"``, or a word invented since.
        error: Why it failed, when it failed and the service said why.
    """

    job_id: str
    status: str
    error: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.status in FINISHED


@attrs.frozen(kw_only=True)
class QueueJobResult(_AwaitedByMistake):
    """How a job ended.

    Attributes:
        job_id: The job.
        status: ``"completed"`` or ``"failed"``.
        data: The video (MP4) or picture (PNG) as bytes, when completed; never in a ``repr``.
        error: What went wrong, when failed.
        timed_out: True when it was the wait that ended and not the job: it may still finish, and
            ``client.queue.poll(job_id)`` waits for it again.
    """

    job_id: str
    status: Literal["completed", "failed"]
    data: bytes | None = attrs.field(default=None, repr=lambda data: "None" if data is None else f"<{len(data)} bytes>")
    error: str | None = None
    timed_out: bool = False

    def raise_for_status(self) -> None:
        """Raise if the job did not complete.

        Raises:
            JobTimeoutError: The wait ended before the job did.
            JobFailedError: The job failed.

        Example:
            >>> QueueJobResult(job_id="j", status="completed", data=b"...").raise_for_status()
        """
        if self.status != "completed":
            kind = JobTimeoutError if self.timed_out else JobFailedError
            raise kind(self.error or f"Job {self.job_id} failed.", None, None, self.job_id)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the video to ``path`` and return it.

        The bytes go to a temporary file in the same folder, which takes the name only when it is complete and on the
        disk: whoever looks at ``path`` sees the old file or the whole new one.

        Raises:
            JobFailedError: There is nothing to save, because the job failed.
            JobTimeoutError: There is nothing to save yet.
            OSError: The folder does not exist, or the disk is full; nothing is left behind.
        """
        self.raise_for_status()
        if not self.data:
            raise JobFailedError(f"The result of job {self.job_id} holds no data to save.", None, None, self.job_id)
        return _write_atomically(Path(path), self.data)

    async def asave(self, path: str | os.PathLike[str]) -> Path:
        """Do the same in a thread, so that the event loop goes on meanwhile; see ``save``.

        Example:
            >>> await result.asave("lake.mp4")
            PosixPath('lake.mp4')
        """
        from asyncio import to_thread

        return await to_thread(self.save, path)


def ended(job: JobStatusResponse, data: bytes | None) -> QueueJobResult:
    """Return the result of a job that has ended, with the video if it completed."""
    if job.status == "failed":
        reason = job.error or f"Job {job.job_id} failed, and the service did not say why."
        return QueueJobResult(job_id=job.job_id, status="failed", error=reason)
    return QueueJobResult(job_id=job.job_id, status="completed", data=data)


def _write_atomically(target: Path, data: bytes) -> Path:
    part = target.with_name(f".{target.name[:50]}.{os.urandom(6).hex()}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:  # a full disk or Ctrl-C: the half-written file must not stay
        part.unlink(missing_ok=True)
        raise
    return target
