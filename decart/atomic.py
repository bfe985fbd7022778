"""Atomic file writes: locked working files, and moving a complete one to its target.

Everything that is written for a target goes to a hidden file in the target's folder first. A lock file beside it shows
that a writer is at work. The lock ends with its process, however that ends, so what a killed process left behind can be
told from what is in use. Both files are only ever opened, changed and deleted by whoever holds the lock, and never
through a link that somebody else put in their place.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import attrs

FSYNC_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
RENAME_UNSUPPORTED = {errno.EBUSY, errno.EXDEV}  # the target is a mount point, as a bind-mounted file is
LOCK_OFFSET = 2**30  # Windows locks bytes against reading, too: one that is never read


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


_fcntl, _msvcrt = _module("fcntl"), _module("msvcrt")


@attrs.define
class WorkFile:
    """A hidden file beside a target, locked for one writer.

    Attributes:
        path: The file.
        file: The same, open and unbuffered, so that a crash of this process loses nothing that was written.
        lock: The open lock file; what it contains is up to the writer.
        lock_path: Its path.
        private: Whether no later writer will find the file by its name.
    """

    path: Path
    file: BinaryIO
    lock: BinaryIO
    lock_path: Path
    private: bool

    @classmethod
    def claim(cls, target: Path, source: str) -> WorkFile | None:
        """Return the one file for a target and what comes into it; None if it is in use or cannot be locked."""
        key = hashlib.sha256(os.fsencode(target.name) + b"\0" + source.encode()).hexdigest()[:16]
        lock_path = _lock_path(target, key)
        try:
            lock = _open(lock_path, os.O_CREAT)
        except OSError:  # such as a link in its place
            return None
        try:
            if not _try_lock(lock, lock_path):
                lock.close()
                return None
            path = lock_path.with_suffix(".part")
            return cls(path, _open(path, os.O_CREAT), lock, lock_path, private=False)
        except OSError:  # locks are not supported here, or something that is not ours is in the file's place
            _delete(lock, lock_path)
            return None

    @classmethod
    def create(cls, target: Path) -> WorkFile:
        """Return a new file with a random name.

        Raises:
            OSError: The folder is gone, or the disk is full.
        """
        while True:
            lock_path = _lock_path(target, os.urandom(6).hex())
            lock = _open(lock_path, os.O_CREAT | os.O_EXCL)
            ours = True
            with suppress(OSError):  # where locks are not supported, a name that nobody knows has to do
                ours = _try_lock(lock, lock_path)
            if not ours:  # pragma: no cover - taken for a leftover in the moment before it was locked
                lock.close()
                continue
            path = lock_path.with_suffix(".part")
            try:
                return cls(path, _open(path, os.O_CREAT | os.O_EXCL), lock, lock_path, private=True)
            except BaseException:  # pragma: no cover - the disk became full in this moment
                _delete(lock, lock_path)
                raise

    def release(self) -> None:
        """Keep the file for a later writer."""
        self.file.close()
        _unlock(self.lock)

    def discard(self) -> None:
        """Delete the file, unless it has been moved, and the lock file."""
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):  # what cannot be deleted now is left for the next writer
            self.path.unlink(missing_ok=True)
        _delete(self.lock, self.lock_path)

    def move_to(self, target: Path) -> None:
        """Make the complete file the target, when all of it is on the disk.

        Raises:
            OSError: Nothing can be put in the target's place; the file is still there.
        """
        refuse_special(target)
        try:
            self.path.replace(target)
        except OSError as error:
            if error.errno not in RENAME_UNSUPPORTED:
                raise
            _copy_into(self.path, target)
        with suppress(OSError):  # not every system opens folders, and the target is complete in any case
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def flush(self, target: Path) -> None:
        """Wait until all of it is on the disk, with the target's permissions, and close it.

        Raises:
            OSError: The disk failed or is full; what was written cannot be relied upon.
        """
        self.keep_permissions(target)
        flush(self.file)
        self.file.close()

    def keep_permissions(self, target: Path, more: int = 0) -> None:
        """Give the file the owner, as far as possible, and the permissions of the target if that exists."""
        with suppress(OSError):
            old = os.stat(target)
            if os.name == "posix":  # pragma: no branch - Windows
                with suppress(OSError):
                    os.fchown(self.file.fileno(), old.st_uid, old.st_gid)
                os.fchmod(self.file.fileno(), stat.S_IMODE(old.st_mode) & 0o777 | more)


def write_atomically(target: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a file beside the target, which replaces it when all of it is on the disk.

    Raises:
        OSError: The disk failed or is full; the target is as it was, and nothing is left behind.
    """
    remove_leftovers(target)
    work = WorkFile.create(target)
    try:
        with open(work.file.fileno(), "wb", closefd=False) as buffered:
            write(buffered)
        work.flush(target)
        work.move_to(target)
    finally:
        work.discard()


def remove_leftovers(target: Path, *, all_of_them: bool = False) -> None:
    """Delete what killed processes left beside a target, except what can be resumed, unless that is wanted, too."""
    name = re.compile(re.escape(_prefix(target)) + r"([0-9a-f]{12}|[0-9a-f]{16})\.json")
    with suppress(OSError):
        for path in [target.with_name(entry) for entry in os.listdir(target.parent) if name.fullmatch(entry)]:
            _remove_leftover(path, useless=all_of_them or len(path.stem.rpartition(".")[2]) == 12)


def _remove_leftover(lock_path: Path, *, useless: bool) -> None:
    with suppress(OSError):  # it is gone, in use or not ours
        lock = _open(lock_path)
        try:
            if not _try_lock(lock, lock_path):
                return
            path = lock_path.with_suffix(".part")
            empty = not path.exists() or not path.stat().st_size or not os.fstat(lock.fileno()).st_size
            if useless or empty:
                path.unlink(missing_ok=True)
                _delete(lock, lock_path)
        finally:
            _unlock(lock)


def refuse_special(path: Path, shown: object = None) -> None:
    """Check that a path leads to a regular file or to none; ``shown`` is how the user wrote it.

    Raises:
        OSError: It leads to something else; the message says to what.
    """
    shown = path if shown is None else shown
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise type(error)(f"{shown} cannot be written to: {error.strerror}.") from None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{shown} is a folder; name a file in it.")
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket"}
        kind = kinds.get(stat.S_IFMT(mode), "device")
        raise OSError(f"{shown} is a {kind}, not a regular file; write client.queue.stream(job_id) to it yourself.")


def flush(file: BinaryIO) -> None:
    """Wait until a file is on the disk, where the file system can tell."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in FSYNC_UNSUPPORTED:
            raise


def _copy_into(path: Path, target: Path) -> None:
    """Copy a complete file into one that cannot be replaced, one writer at a time; then delete the first."""
    with path.open("rb") as complete, _open_nofollow(target) as file:
        with suppress(OSError, AttributeError):  # where there are no locks
            _fcntl.flock(file, _fcntl.LOCK_EX)
        _reserve(file, path.stat().st_size)
        shutil.copyfileobj(complete, file, 1024 * 1024)
        file.truncate()
        flush(file)
        _unlock(file)
    path.unlink()


def _reserve(file: BinaryIO, size: int) -> None:
    """Make sure that a file can grow to a size before anything in it is overwritten."""
    before = os.fstat(file.fileno()).st_size
    if size > before and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), before, size - before)
        except OSError as error:
            if error.errno not in FSYNC_UNSUPPORTED:  # pragma: no branch - a file system that cannot reserve space
                file.truncate(before)
                raise


def _prefix(target: Path) -> str:
    return f".{target.name[:50]}."  # a name has at most 255 bytes, of which a character takes up to four


def _lock_path(target: Path, key: str) -> Path:
    return target.with_name(f"{_prefix(target)}{key}.json")


def _open(path: Path, flags: int = 0) -> BinaryIO:
    """Open a file of ours, to be read and written: never through a link, and nothing but a regular file."""
    file = _open_nofollow(path, flags)
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:  # a hard link is a link, too
        file.close()
        raise OSError(f"{path} is not a file of its own.")
    return file


def _open_nofollow(path: Path, flags: int = 0) -> BinaryIO:
    flags |= os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)


def _try_lock(lock: BinaryIO, path: Path) -> bool:
    """Lock a file; False if another writer has it or has deleted it.

    Raises:
        OSError: The system or the file system has no locks.
    """
    try:
        if _fcntl is not None:
            _fcntl.flock(lock, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        elif _msvcrt is not None:  # pragma: no cover - Windows
            lock.seek(LOCK_OFFSET)
            _msvcrt.locking(lock.fileno(), _msvcrt.LK_NBLCK, 1)
        else:  # pragma: no cover - neither
            raise OSError(errno.ENOTSUP, "There are no file locks here")
        return os.path.samestat(os.fstat(lock.fileno()), os.lstat(path))
    except (BlockingIOError, PermissionError, FileNotFoundError):
        return False


def _unlock(lock: BinaryIO) -> None:
    """Let another writer have the lock; to close is not enough if a forked child has inherited the file."""
    if _fcntl is not None and not lock.closed:
        with suppress(OSError):
            _fcntl.flock(lock, _fcntl.LOCK_UN)
    lock.close()


def _delete(lock: BinaryIO, path: Path) -> None:
    """Delete a lock file and unlock it, in the order that the system permits."""
    if os.name == "nt":  # pragma: no cover - Windows, where no open file can be deleted
        _unlock(lock)
    with suppress(OSError):
        path.unlink(missing_ok=True)
    _unlock(lock)
