"""Atomic file writes and resumable downloads: a file that replaces its target once it is complete.

The lock file of a download holds a note: the server's validator of the content (its ``ETag`` or ``Last-Modified``), the
expected size, and how much is known to be on the disk. The next call resumes a download that was interrupted, even by a
kill. While its part is in use, any other download of the same job to the same target uses a private one.

============================  =====================================================================
interrupted by                what the next download resumes
============================  =====================================================================
an error, a kill              everything that was written
a power cut, a system crash   what was flushed: every ``SYNC_INTERVAL`` bytes
a full disk                   every complete write, once it could be flushed
any other disk error          nothing: it starts over
============================  =====================================================================
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from .targets import resolved
from .workfile import WorkFile, flush, remove, remove_leftovers

P = ParamSpec("P")
T = TypeVar("T")

DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
SYNC_INTERVAL = 64 * 1024 * 1024
"""Bytes between two flushes of a part to the disk: what a power cut costs at most."""


@cache
def _boot_id() -> str:
    """Identify this boot of the system: a part from an earlier one may be longer than what reached the disk."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
    except OSError:  # pragma: no cover - not Linux
        # if the clock is set, too little is trusted, not too much
        return f"{(time.time() - time.monotonic()) / 60:.0f}"


def _exclusive(method: Callable[Concatenate[PartFile, P], T]) -> Callable[Concatenate[PartFile, P], T]:
    """Let one thread at a time call a method, and close the part if it was closed meanwhile.

    This is no context manager: an interrupt between its ``yield`` and the block would leave the lock held. Errors name
    the target as the caller knows it, not a hidden file or no file at all.
    """

    @wraps(method)
    def call(self: PartFile, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            with self._in_use:
                return method(self, *args, **kwargs)
        except OSError as error:
            if error.errno is None:  # a sentence of our own
                raise
            raise OSError(error.errno, error.strerror, self._display_name).with_traceback(error.__traceback__) from None
        finally:
            if self._closed:
                self.close()

    return call


class PartFile:
    """The beginning of a file that is being written.

    It may be closed while another thread uses it: that thread then closes the file, and later calls have no effect.

    Args:
        target: The path of the finished file; if it is a symlink, the file that it leads to is replaced.
        source: What is downloaded; the same target and source find the same part again. Without one, it is private.
        display_name: The path that errors mention, as the caller typed it; ``target`` by default.
        sync_interval: Bytes between two flushes to the disk.

    Attributes:
        size: Bytes that can be relied upon so far.
        validator: The ``ETag`` or date of the content, if the server gave one.
        total: Bytes of the complete file, if the server said.
    """

    def __init__(
        self, target: Path, source: str | None = None, *, display_name: str = "", sync_interval: int = SYNC_INTERVAL
    ) -> None:
        self.target = target
        self.size = 0
        self.validator: str | None = None
        self.total: int | None = None
        self._file_path, self._source, self._display_name = resolved(target), source, display_name or str(target)
        self._sync_interval = self._next_sync = sync_interval
        self._synced = 0
        self._work: WorkFile | None = None
        self._leftovers: list[Path] = []
        self._in_use = threading.Lock()
        self._closed = False

    @_exclusive
    def open(self) -> PartFile:
        """Lock the part, and find out how much of it can be relied upon; without a valid note, nothing can.

        Raises:
            OSError: The folder does not exist or is read-only, or the disk is full.
        """
        self._leftovers = remove_leftovers(self._file_path)
        self._work = work = WorkFile.open(self._file_path, self._source)
        work.copy_permissions(self._file_path, extra=0o600)  # the next download must be able to open it
        with suppress(OSError, ValueError, TypeError, KeyError):
            work.lock.seek(0)
            note, written = json.loads(work.lock.read()), os.fstat(work.file.fileno()).st_size
            validator, total, synced = note["validator"], note["total"], min(note["synced"], written)
            size = written if note["boot"] == _boot_id() else synced
            if size > 0 and isinstance(validator, str) and (total is None or size <= total):
                self.size, self.validator, self.total, self._synced = size, validator, total, synced
        work.file.seek(self.size)
        work.file.truncate()
        return self

    @_exclusive
    def begin(self, validator: str | None, total: int | None) -> None:
        """Empty the part, and note what will be written to it.

        Raises:
            OSError: The disk failed or is full.
        """
        if self._work is None:
            return
        self.size = self._synced = 0
        self.validator, self.total, self._next_sync = validator, total, self._sync_interval
        with self._distrusting(self._work) as work:
            if os.fstat(work.lock.fileno()).st_size:
                work.lock.truncate(0)
                flush(work.lock)  # else, after a power cut, the old note could vouch for new content
            work.file.seek(0)
            work.file.truncate()
            self._write_note(work)

    @_exclusive
    def write(self, data: bytes) -> None:
        """Append to the part.

        Raises:
            OSError: The disk failed or is full.
        """
        if self._work is None:
            return
        with self._distrusting(self._work) as work:
            remaining = memoryview(data)
            while remaining:
                remaining = remaining[work.file.write(remaining) :]
            self.size += len(data)
            if self.size >= self._next_sync:
                self._sync(work)

    @_exclusive
    def finish(self) -> Path:
        """Flush the part, which is complete, and replace the target by it; leave nothing else behind.

        Raises:
            OSError: The disk failed or is full, or the target cannot be replaced and the part is still there.
        """
        if self._work is None:
            raise ValueError("This part file is closed.")
        with self._distrusting(self._work) as work:
            work.copy_permissions(self._file_path)
            self._flush(work)
            work.file.close()
        work.replace(self._file_path)
        self._work = None
        work.discard()
        remove(self._leftovers)  # the target exists now: nobody will resume them
        return self.target

    def close(self) -> None:
        """Close the part without waiting for other threads; keep it if a later download can resume it."""
        self._closed = True
        if self._in_use.acquire(blocking=False):
            try:
                work, self._work = self._work, None
                if work is not None:
                    is_resumable = self.size and self.validator is not None and work.path.exists()
                    if is_resumable and not work.private:
                        work.release()
                    else:
                        work.discard()
            finally:
                self._in_use.release()

    @contextmanager
    def _distrusting(self, work: WorkFile) -> Iterator[WorkFile]:
        """After a disk error, keep only what is certainly on the disk: nothing, unless the disk was just full."""
        try:
            yield work
        except OSError as error:
            try:
                if error.errno not in DISK_FULL:
                    raise
                work.file.seek(self.size)
                work.file.truncate()
                self._sync(work)
            except (OSError, ValueError):  # the latter if closing the file has failed
                self.validator = None
                with suppress(OSError):
                    work.lock.truncate(0)
            raise

    def _sync(self, work: WorkFile) -> None:
        self._flush(work)
        self._write_note(work)
        flush(work.lock)
        self._next_sync = self.size + self._sync_interval

    def _flush(self, work: WorkFile) -> None:
        """Flush the part; if that fails, only what was flushed before can be relied upon."""
        written, self.size = self.size, self._synced
        if flush(work.file):
            self._synced = written
        self.size = written

    def _write_note(self, work: WorkFile) -> None:
        note = {"validator": self.validator, "total": self.total, "synced": self._synced, "boot": _boot_id()}
        work.lock.seek(0)
        work.lock.write(json.dumps(note).encode())
        work.lock.truncate()


def write_atomically(target: Path, write: Callable[[PartFile], object], *, display_name: str = "") -> None:
    """Let ``write`` fill a private part file that replaces ``target`` once everything is on the disk.

    Raises:
        OSError: The disk failed or is full; the target is unchanged, and nothing is left behind. It names
            ``display_name``, the path as the caller typed it, or else ``target``.
    """
    part = PartFile(target, display_name=display_name)
    try:
        write(part.open())
        part.finish()
    finally:
        part.close()
