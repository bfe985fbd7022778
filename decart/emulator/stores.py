"""What an emulator keeps: jobs with their results, and uploaded files until they expire."""

from __future__ import annotations

import secrets
import shutil
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import attrs
from werkzeug.datastructures import FileStorage

from .clock import Clock, iso_date


@attrs.frozen(kw_only=True, eq=False)
class Job:
    """One job.

    Attributes:
        id: Its id, which cannot be guessed.
        submitted: The time of the submit, on the emulator's clock.
        target: The path of its result, in a folder of its own.
        work: The rendering.
        kind: The MIME type of the result.
        fault: The name of the fault that decides its outcome, if there is one.
    """

    id: str
    submitted: float
    target: Path
    work: Future[None]
    kind: str
    fault: str | None = None


class Jobs:
    """The jobs in progress, and the latest ones that ended: an emulator that runs for weeks must not fill the disk.

    Args:
        keep: How many jobs are kept. Beyond that, each new job deletes the oldest one that has been rendered, with its
            video; a download of it that is in progress continues.
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
        """Forget all jobs."""
        self._jobs.clear()


@attrs.frozen(kw_only=True)
class StoredFile:
    """A file that the emulator keeps.

    Attributes:
        id: Its id, which cannot be guessed.
        owner: The key that it was uploaded with.
        path: Its path on disk, which contains nothing that was sent.
        filename: The file name that was sent.
        mime_type: The content type that was sent.
        size: Its size in bytes.
        created: The time of the upload, in seconds since 1970.
        expires: When it expires, in seconds since 1970; ``None`` if never.
    """

    id: str
    owner: str = attrs.field(repr=False)
    path: Path
    filename: str | None
    mime_type: str
    size: int
    created: float
    expires: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the service's JSON for a file."""
        return {
            "id": self.id,
            "filename": self.filename,
            "mime_type": self.mime_type,
            "size_bytes": self.size,
            "created_at": iso_date(self.created),
            "expires_at": None if self.expires is None else iso_date(self.expires),
        }


class Files:
    """The files of an emulator, each visible to its owner only.

    Args:
        folder: Where they are kept.
        clock: The emulator's clock.
        keep: How many are kept; beyond that, the oldest are deleted.
    """

    def __init__(self, folder: Path, clock: Clock, keep: int) -> None:
        self._folder = folder
        self._clock = clock
        self._keep = keep
        self._files: dict[str, StoredFile] = {}
        self._lock = threading.Lock()

    def add(self, owner: str, upload: FileStorage, seconds: int | None) -> StoredFile:
        """Keep a file for so many seconds, or permanently for ``None``."""
        file_id = f"file_{secrets.token_hex(16)}"
        path = self._folder / file_id
        upload.save(path)
        now = self._clock.time()
        stored = StoredFile(
            id=file_id,
            owner=owner,
            path=path,
            filename=upload.filename or None,
            mime_type=upload.content_type or "application/octet-stream",
            size=path.stat().st_size,
            created=now,
            expires=None if seconds is None else now + seconds,
        )
        with self._lock:
            self._files[file_id] = stored
        self._delete_old()
        return stored

    def find(self, owner: str, file_id: str) -> StoredFile | None:
        """Return a file, or ``None`` if its owner has no such file."""
        self._delete_old()
        stored = self._files.get(file_id)
        return stored if stored is not None and stored.owner == owner else None

    def remove(self, owner: str, file_id: str) -> bool:
        """Delete a file; return whether its owner had it."""
        stored = self.find(owner, file_id)
        return stored is not None and self._delete(stored)

    def _delete_old(self) -> None:
        """Delete the expired files, and the oldest ones beyond the limit."""
        now = self._clock.time()
        with self._lock:
            files = list(self._files.values())
        for age, stored in enumerate(reversed(files)):
            if age >= self._keep or (stored.expires is not None and stored.expires <= now):
                self._delete(stored)

    def _delete(self, stored: StoredFile) -> bool:
        with self._lock:
            was_there = self._files.pop(stored.id, None) is not None
        stored.path.unlink(missing_ok=True)
        return was_there
