"""Atomic file writes: locked hidden files that replace their target once they are complete.

Everything that is written for a target goes to a hidden file in the same folder first. A lock file next to it shows
that a writer is active. The lock ends with its process, however that ends, so what a killed process left behind can be
told from what is in use. Only the holder of the lock changes or deletes the two files, and never through a link.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import attrs

from .targets import check_regular

FSYNC_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
RENAME_UNSUPPORTED = {errno.EBUSY, errno.EXDEV}  # the target is a mount point, such as a bind-mounted file
_LOCKED_BYTE = 2**30  # Windows' locks also block reads, so lock a byte that is never read


def _optional_module(name: str) -> Any:
    with suppress(ImportError):
        return import_module(name)
    return None


_fcntl, _msvcrt = _optional_module("fcntl"), _optional_module("msvcrt")


@attrs.define
class WorkFile:
    """A hidden file next to a target, locked for one writer.

    Attributes:
        path: The path of the hidden file.
        file: The hidden file, open and unbuffered, so that a crash of this process loses nothing that was written.
        lock: The open lock file; its content is up to the writer.
        lock_path: The path of the lock file.
        private: Whether the name is random, so that no later writer can find the file again.
    """

    path: Path
    file: BinaryIO
    lock: BinaryIO
    lock_path: Path
    private: bool

    @classmethod
    def claim(cls, target: Path, source: str) -> WorkFile | None:
        """Open the file that belongs to a target and a source; return None if it is in use or cannot be locked."""
        key = hashlib.sha256(os.fsencode(target.name) + b"\0" + source.encode()).hexdigest()[:16]
        lock_path = _lock_path(target, key)
        lock = None
        try:
            lock = _open(lock_path, os.O_CREAT)
            if _try_lock(lock, lock_path):
                path = lock_path.with_suffix(".part")
                return cls(path, _open(path, os.O_CREAT), lock, lock_path, private=False)
            lock.close()
        except OSError:  # locks are not supported, or a link or something else that is not ours is in the way
            if lock is not None:
                _delete(lock, lock_path)
        return None

    @classmethod
    def create(cls, target: Path) -> WorkFile:
        """Create a file with a random name.

        Raises:
            OSError: The folder does not exist or is read-only, or the disk is full.
        """
        while True:
            lock_path = _lock_path(target, os.urandom(6).hex())
            lock = _open(lock_path, os.O_CREAT | os.O_EXCL)
            is_locked = True
            with suppress(OSError):  # without lock support, a name that nobody can guess has to do
                is_locked = _try_lock(lock, lock_path)
            if not is_locked:  # pragma: no cover - somebody took it for a leftover before it was locked
                lock.close()
                continue
            path = lock_path.with_suffix(".part")
            try:
                return cls(path, _open(path, os.O_CREAT | os.O_EXCL), lock, lock_path, private=True)
            except BaseException:  # pragma: no cover - the disk filled up between the two files
                _delete(lock, lock_path)
                raise

    def release(self) -> None:
        """Close the file and keep it for a later writer."""
        self.file.close()
        _unlock(self.lock)

    def discard(self) -> None:
        """Delete the file, unless it has been moved, and the lock file."""
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):  # if it cannot be deleted now, the next writer will
            self.path.unlink(missing_ok=True)
        _delete(self.lock, self.lock_path)

    def move_to(self, target: Path) -> None:
        """Replace the target by this file, which must be complete, flushed and closed.

        Raises:
            OSError: The target cannot be replaced; this file still exists.
        """
        check_regular(target)
        try:
            self.path.replace(target)
        except OSError as error:
            if error.errno not in RENAME_UNSUPPORTED:
                raise
            _copy_into(self.path, target)
        with suppress(OSError):  # not every system can open folders, and the target is complete in any case
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def copy_permissions(self, target: Path, extra: int = 0) -> None:
        """Give the file the mode of an existing target, plus ``extra`` bits, and its owner where permitted."""
        with suppress(OSError, AttributeError):  # Windows has neither
            old = os.stat(target)
            with suppress(OSError):
                os.fchown(self.file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(self.file.fileno(), stat.S_IMODE(old.st_mode) & 0o777 | extra)


def write_atomically(target: Path, write: Callable[[BinaryIO], object], *, display_name: str = "") -> None:
    """Let ``write`` fill a hidden file that replaces ``target`` once everything is on the disk.

    Raises:
        OSError: The disk failed or is full; the target is unchanged, and nothing is left behind. It names
            ``display_name``, the path as the caller typed it, or else ``target``.
    """
    remove_leftovers(target)
    with errors_naming(display_name or target):
        work = WorkFile.create(target)
        try:
            with open(work.file.fileno(), "wb", closefd=False) as buffered:
                write(buffered)
            work.copy_permissions(target)
            flush(work.file)
            work.file.close()
            work.move_to(target)
        finally:
            work.discard()


@contextmanager
def errors_naming(path: object) -> Iterator[None]:
    """Make an ``OSError`` name the target that the caller knows, not a hidden file or no file at all."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # a sentence of our own
            raise
        raise OSError(error.errno, error.strerror, str(path)).with_traceback(error.__traceback__) from None


def remove_leftovers(target: Path, *, resumable: bool = False) -> None:
    """Delete what dead processes left next to a target; what a download can resume, only if ``resumable``."""
    pattern = re.compile(re.escape(_prefix(target)) + r"([0-9a-f]{12}|[0-9a-f]{16})\.json")
    names: list[str] = []
    with suppress(OSError):
        names = [name for name in os.listdir(target.parent) if pattern.fullmatch(name)]
    for lock_path in map(target.with_name, names):
        with suppress(OSError):  # it is gone, in use or not ours
            lock = _open(lock_path)
            try:
                if not _try_lock(lock, lock_path):
                    continue
                path = lock_path.with_suffix(".part")
                is_private = len(lock_path.stem.rpartition(".")[2]) == 12
                is_empty = not path.exists() or not path.stat().st_size or not os.fstat(lock.fileno()).st_size
                if resumable or is_private or is_empty:
                    path.unlink(missing_ok=True)
                    _delete(lock, lock_path)
            finally:
                _unlock(lock)


def flush(file: BinaryIO) -> bool:
    """Wait until a file is on the disk; return False if the file system has no ``fsync``.

    Raises:
        OSError: The disk failed or is full; what was written since the last flush may be lost.
    """
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in FSYNC_UNSUPPORTED:
            raise
        return False
    return True


def _copy_into(path: Path, target: Path) -> None:
    """Copy a complete file into a target that cannot be replaced, one writer at a time, and only then delete it."""
    with path.open("rb") as complete, _open(target, ours=False) as file:
        with suppress(OSError, AttributeError):  # there are no locks here
            _fcntl.flock(file, _fcntl.LOCK_EX)
        old_size, size = os.fstat(file.fileno()).st_size, os.fstat(complete.fileno()).st_size
        if size > old_size and hasattr(os, "posix_fallocate"):  # make room before anything is overwritten
            try:
                os.posix_fallocate(file.fileno(), old_size, size - old_size)
            except OSError as error:
                if error.errno not in FSYNC_UNSUPPORTED:  # pragma: no branch - the file system cannot reserve space
                    file.truncate(old_size)
                    raise
        with open(file.fileno(), "wb", closefd=False) as buffered:  # an unbuffered write may be incomplete
            shutil.copyfileobj(complete, buffered, 1024 * 1024)
        file.truncate(size)
        flush(file)
        _unlock(file)
    path.unlink()


def _prefix(target: Path) -> str:
    return f".{target.name[:50]}."  # a name has at most 255 bytes, and a character up to four


def _lock_path(target: Path, key: str) -> Path:
    return target.with_name(f"{_prefix(target)}{key}.json")


def _open(path: Path, flags: int = 0, *, ours: bool = True) -> BinaryIO:
    """Open a file for reading and writing, never through a link; one of ours is regular and has a single name."""
    flags |= os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    file = os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)
    status = os.fstat(file.fileno())
    if ours and (not stat.S_ISREG(status.st_mode) or status.st_nlink > 1):
        file.close()
        raise OSError(f"{path} is not a regular file with a single name.")
    return file


def _try_lock(lock: BinaryIO, path: Path) -> bool:
    """Lock a file; return False if another writer holds the lock or has deleted the file.

    Raises:
        OSError: The system or the file system has no locks.
    """
    try:
        if _fcntl is not None:
            _fcntl.flock(lock, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        elif _msvcrt is not None:  # pragma: no cover - Windows
            lock.seek(_LOCKED_BYTE)
            _msvcrt.locking(lock.fileno(), _msvcrt.LK_NBLCK, 1)
        else:  # pragma: no cover - neither
            raise OSError(errno.ENOTSUP, "File locks are not supported")
        return os.path.samestat(os.fstat(lock.fileno()), os.lstat(path))
    except (BlockingIOError, PermissionError, FileNotFoundError):
        return False


def _unlock(lock: BinaryIO) -> None:
    """Unlock and close a file; closing alone is not enough if a child has inherited it, and may be late on Windows."""
    with suppress(OSError, ValueError):  # there are no locks here, it is not locked, or it is closed
        if _fcntl is not None:
            _fcntl.flock(lock, _fcntl.LOCK_UN)
        elif _msvcrt is not None:  # pragma: no cover - Windows
            lock.seek(_LOCKED_BYTE)
            _msvcrt.locking(lock.fileno(), _msvcrt.LK_UNLCK, 1)
    lock.close()


def _delete(lock: BinaryIO, path: Path) -> None:
    """Delete and unlock a lock file, in the order that the system permits."""
    if os.name == "nt":  # pragma: no cover - Windows cannot delete open files
        _unlock(lock)
    with suppress(OSError):
        path.unlink(missing_ok=True)
    _unlock(lock)
