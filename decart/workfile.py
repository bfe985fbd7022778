"""The hidden files next to a target, to which everything is written that will replace it.

There are two: the part, which replaces the target once it is complete, and a lock file, which shows that a writer is
active. The lock ends with its process, however that ends, so what a killed process left behind can be told from what is
in use. Only the holder of the lock changes or deletes the two files, and never through a link.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
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


@attrs.frozen
class WorkFile:
    """A part file and its lock file, locked for one writer.

    Attributes:
        path, file: The part, open and unbuffered, so that a crash of this process loses nothing that was written.
        lock_path, lock: The lock file, open; its content is up to the writer.
    """

    path: Path
    file: BinaryIO
    lock_path: Path
    lock: BinaryIO

    @property
    def private(self) -> bool:
        """Whether the name is random, so that no later writer can find the part again."""
        return _is_private(self.lock_path)

    @classmethod
    def open(cls, target: Path, source: str | None) -> WorkFile:
        """Open the part that belongs to a source, or a private one if that is in use or cannot be locked."""
        if source is not None:
            key = hashlib.sha256(os.fsencode(target.name) + b"\0" + source.encode()).hexdigest()[:16]
            with suppress(OSError):  # there are no locks here, or a link or something else that is not ours
                if work := cls._open_locked(target, key, os.O_CREAT):
                    return work
        while True:
            if work := cls._open_locked(target, os.urandom(6).hex(), os.O_CREAT | os.O_EXCL):
                return work

    @classmethod
    def _open_locked(cls, target: Path, key: str, flags: int) -> WorkFile | None:
        """Open and lock two files; return None if another writer has them."""
        lock_path = target.with_name(f"{_prefix(target)}{key}.json")
        path, lock_file = lock_path.with_suffix(".part"), _open(lock_path, flags)
        try:
            try:
                is_ours = _try_lock(lock_file, lock_path)
            except OSError:
                is_ours = _is_private(lock_path)  # without locks, a name that nobody can guess has to do
                if not is_ours:
                    raise
            if is_ours:
                return cls(path, _open(path, flags), lock_path, lock_file)
        except BaseException:
            _delete(lock_file, lock_path)
            raise
        lock_file.close()
        return None

    def release(self) -> None:
        """Close the part and keep it for a later writer."""
        self.file.close()
        _unlock(self.lock)

    def discard(self) -> None:
        """Delete the part, unless it has replaced the target, and the lock file."""
        with suppress(OSError):
            self.file.close()
        with suppress(OSError):  # if it cannot be deleted now, the next writer will
            self.path.unlink(missing_ok=True)
        _delete(self.lock, self.lock_path)

    def replace(self, target: Path) -> None:
        """Replace the target by the part, which is complete, flushed and closed.

        Raises:
            OSError: The target cannot be replaced; the part still exists.
        """
        check_regular(target)
        try:
            self.path.replace(target)
        except OSError as error:
            if error.errno not in RENAME_UNSUPPORTED:
                raise
            _copy_into(target, self.path)
        flush_folder(target.parent)

    def copy_permissions(self, target: Path, extra: int = 0) -> None:
        """Give the part the mode of an existing target, plus ``extra`` bits, and its owner where permitted."""
        with suppress(OSError, AttributeError):  # Windows has neither
            old = os.stat(target)
            with suppress(OSError):
                os.fchown(self.file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(self.file.fileno(), stat.S_IMODE(old.st_mode) & 0o777 | extra)


def remove_leftovers(target: Path) -> list[Path]:
    """Delete what dead processes left next to a target and nobody can resume; return the lock files of the rest."""
    prefix, rest = _prefix(target), []
    with suppress(OSError):  # the folder may have many files, so it is listed once for each of them
        found = [name for name in os.listdir(target.parent) if name.startswith(prefix)]
        locks = [name for name in found if re.fullmatch(r"[0-9a-f]{12}([0-9a-f]{4})?\.json", name.removeprefix(prefix))]
        for lock_path in map(target.with_name, locks):
            if _is_private(lock_path):
                remove([lock_path])
            else:
                rest.append(lock_path)
    return rest


def remove(lock_paths: Iterable[Path]) -> None:
    """Delete lock files and their parts, unless a writer has them."""
    for lock_path in lock_paths:
        with suppress(OSError):  # it is gone, in use or not ours
            lock_file = _open(lock_path)
            try:
                if _try_lock(lock_file, lock_path):
                    lock_path.with_suffix(".part").unlink(missing_ok=True)
                    _delete(lock_file, lock_path)
            finally:
                _unlock(lock_file)


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


def flush_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can do that."""
    with suppress(OSError):  # not every system can open folders, and the files are complete in any case
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _copy_into(target: Path, path: Path) -> None:
    """Copy a complete file into a target that cannot be replaced, one writer at a time, and only then delete it."""
    with path.open("rb") as complete, _open_unlinked(target) as file:
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


def _is_private(lock_path: Path) -> bool:
    """Return whether a name is random, so that no later writer can find the file again."""
    return len(lock_path.stem.rpartition(".")[2]) == 12


def _open(path: Path, flags: int = 0) -> BinaryIO:
    """Open a hidden file, which must be regular and have a single name."""
    file = _open_unlinked(path, flags)
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        file.close()
        raise OSError(f"{path} is not a regular file with a single name.")
    return file


def _open_unlinked(path: Path, flags: int = 0) -> BinaryIO:
    """Open a file for reading and writing, unbuffered and never through a link."""
    flags |= os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)


def _try_lock(file: BinaryIO, path: Path) -> bool:
    """Lock a file; return False if another writer holds the lock or has deleted the file.

    Raises:
        OSError: The system or the file system has no locks.
    """
    try:
        if _fcntl is not None:
            _fcntl.flock(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        elif _msvcrt is not None:  # pragma: no cover - Windows
            file.seek(_LOCKED_BYTE)
            _msvcrt.locking(file.fileno(), _msvcrt.LK_NBLCK, 1)
        else:  # pragma: no cover - neither
            raise OSError(errno.ENOTSUP, "File locks are not supported")
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except (BlockingIOError, PermissionError, FileNotFoundError):
        return False


def _unlock(file: BinaryIO) -> None:
    """Unlock and close a file; closing alone is not enough if a child has inherited it, and may be late on Windows."""
    with suppress(OSError, ValueError):  # there are no locks here, it is not locked, or it is closed
        if _fcntl is not None:
            _fcntl.flock(file, _fcntl.LOCK_UN)
        elif _msvcrt is not None:  # pragma: no cover - Windows
            file.seek(_LOCKED_BYTE)
            _msvcrt.locking(file.fileno(), _msvcrt.LK_UNLCK, 1)
    file.close()


def _delete(file: BinaryIO, path: Path) -> None:
    """Delete and unlock a lock file, in the order that the system permits."""
    if os.name == "nt":  # pragma: no cover - Windows cannot delete open files
        _unlock(file)
    with suppress(OSError):
        path.unlink(missing_ok=True)
    _unlock(file)
