"""How a job ended: its video, in memory or in a file, or the reason why there is none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

import attrs

from .atomic import write_atomically
from .errors import JobFailedError, JobTimeoutError
from .jobs import AwaitedByMistake, JobStatusResponse
from .partfile import current_folder, find_target, resolved


@attrs.frozen(kw_only=True)
class QueueJobResult(AwaitedByMistake):
    """How a job ended.

    Attributes:
        job_id: The job.
        status: ``"completed"`` or ``"failed"``.
        data: The video (MP4) or picture (PNG) as bytes, when completed; never in a ``repr``.
        error: What went wrong, when failed.
        path: Where the video is, when it went to a file instead of ``data`` (``save_to=``).
        timed_out: True when it was the wait that ended and not the job: it may still finish, and
            ``client.queue.poll(job_id)`` waits for it again.
        model: The name of the job's model, if this client submitted it.
        elapsed: Seconds from the accepted submit until its end was seen, if this client submitted it.
    """

    job_id: str
    status: Literal["completed", "failed"]
    data: bytes | None = attrs.field(default=None, repr=lambda data: "None" if data is None else f"<{len(data)} bytes>")
    error: str | None = None
    path: Path | None = None
    timed_out: bool = False
    model: str | None = attrs.field(default=None, eq=False)
    elapsed: float | None = attrs.field(default=None, eq=False)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from .integrations.notebook import bundle, player

        return bundle(self, player(self.data, self.path))

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
            raise kind(self.error or f"Job {self.job_id} failed.", job_id=self.job_id)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the video to ``path`` and return it; copy it, if it is in a file already.

        The bytes go to a temporary file in the same folder, which replaces ``path`` when it is complete and on the
        disk: whoever looks at ``path`` sees the old file or the whole new one. The permissions of an old file are kept,
        a symlink is followed, and ``~`` is the home folder.

        Raises:
            JobFailedError: There is nothing to save, because the job failed.
            JobTimeoutError: There is nothing to save yet.
            InvalidInputError: ``path`` is not a path.
            OSError: The folder does not exist, ``path`` is a folder, FIFO or device, or the disk is full; nothing is
                left behind.
        """
        return self._save(path, current_folder())

    def _save(self, path: str | os.PathLike[str], start: str) -> Path:
        self.raise_for_status()
        target = find_target(path, start)
        data, saved, name = self.data, self.path, os.fspath(path)
        if saved is not None:
            with saved.open("rb") as file:
                write_atomically(resolved(target), lambda copy: shutil.copyfileobj(file, copy), display_name=name)
        elif data:
            write_atomically(resolved(target), lambda file: file.write(data), display_name=name)
        else:
            raise JobFailedError(f"The result of job {self.job_id} holds no data to save.", job_id=self.job_id)
        return Path(os.path.expanduser(path))

    async def asave(self, path: str | os.PathLike[str]) -> Path:
        """Do the same in a thread, so that the event loop goes on meanwhile; see ``save``.

        Example:
            >>> await result.asave("lake.mp4")
            PosixPath('lake.mp4')
        """
        from asyncio import to_thread

        return await to_thread(self._save, path, current_folder())


def to_result(job: JobStatusResponse, *, data: bytes | None = None, path: Path | None = None) -> QueueJobResult:
    """Return the result of a job that has ended, with the video, or where it is, if it completed."""
    failed = job.status == "failed"
    return QueueJobResult(
        job_id=job.job_id,
        status="failed" if failed else "completed",
        data=data,
        error=(job.error or f"Job {job.job_id} failed, and the service did not say why.") if failed else None,
        path=path,
        model=job.model,
        elapsed=job.elapsed,
    )
