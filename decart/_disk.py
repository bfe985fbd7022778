"""Files that are there whole or not at all, and the part of one that can be gone on with.

A download goes to a hidden file beside its target, named after the target and the job, with a note beside it of what
the server called the content (its ``ETag``) and how long it is. When it is complete and on the disk, it takes the
target's name. Whoever is interrupted, even by a crash, finds part and note again, and goes on. The part is locked while
it is written: a second download of the same job to the same target gets a part of its own.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from .errors import InvalidInputError

_fcntl: Any = import_module("fcntl") if os.name == "posix" else None  # elsewhere there is no such lock


def check_target(path: object) -> Path:
    """Return a path that a video may be saved to.

    Raises:
        InvalidInputError: It is no path, a folder, or in a folder that is missing or cannot be written to.
    """
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str) or not os.fspath(path):
        raise InvalidInputError(f"path: a file name is needed (str or pathlib.Path), not {type(path).__name__}.")
    target = Path(os.fspath(path))
    folder = target.parent
    if "\0" in str(target):
        raise InvalidInputError(f"path: {str(target)[:100]!r} holds a character that no file name can have.")
    if target.is_dir():
        raise InvalidInputError(f"path: {target} is a folder; name a file in it.")
    if not folder.is_dir():
        raise InvalidInputError(f"path: the folder {folder} does not exist.")
    if not os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise InvalidInputError(f"path: nothing can be written to the folder {folder}.")
    return target


def write_atomically(target: Path, write: Callable[[BinaryIO], object]) -> Path:
    """Let ``write`` fill a file beside the target, which takes its name when all of it is on the disk."""
    part = target.with_name(f".{target.name[:50]}.{os.urandom(6).hex()}.part")
    try:
        with part.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:  # a full disk or Ctrl-C: the half-written file must not stay
        part.unlink(missing_ok=True)
        raise
    return target


class Part:
    """The beginning of a file, and what is known of the whole.

    Args:
        target: The name that it takes in the end.
        source: What it is a part of; the same target and source find the same part again.

    Attributes:
        have: Bytes that are there already.
        validator: What the server called the content that they are of: an ``ETag`` or a date.
        total: Bytes of the whole, if it said.
    """

    def __init__(self, target: Path, source: str) -> None:
        import hashlib

        self.target = target
        name = f".{target.name[:50]}.{hashlib.sha256(source.encode()).hexdigest()[:16]}"
        self._path = target.with_name(f"{name}.part")
        file = _lock(self._path)
        self._private = file is None  # somebody else is at it
        if file is None:
            self._path = target.with_name(f"{name}.{os.urandom(6).hex()}.part")
            file = _open(self._path)
        self._file: BinaryIO | None = file
        self._writing = threading.Lock()
        self._note = self._path.with_suffix(".json")
        self.have = 0
        self.validator: str | None = None
        self.total: int | None = None
        self._read_note()
        file.seek(self.have)

    def _read_note(self) -> None:
        """Find out what is there; without a note, or with one that cannot be read, nothing is."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            note = json.loads(self._note.read_bytes())
            validator, total = note["validator"], note["total"]
            if isinstance(validator, str) and (total is None or isinstance(total, int)):
                self.validator, self.total = validator, total
                self.have = self._path.stat().st_size

    def begin(self, validator: str | None, total: int | None) -> None:
        """Forget what is there, and take a note of what is to come."""
        assert self._file is not None
        self._file.seek(0)
        self._file.truncate()
        self.have, self.validator, self.total = 0, validator, total
        self._note.write_text(json.dumps({"validator": validator, "total": total}), "utf-8")

    def write(self, data: bytes) -> None:
        """Add to what is there."""
        with self._writing:
            if self._file is not None:  # else a thread was late: its download has ended
                left = memoryview(data)
                while left:
                    left = left[self._file.write(left) :]
                self.have += len(data)

    def finish(self) -> Path:
        """Give the file its name, when all of it is on the disk."""
        file = self._file
        assert file is not None
        os.fsync(file.fileno())
        if _fcntl is None:  # pragma: no cover - Windows, where nothing is renamed while it is open
            file.close()
        self._path.replace(self.target)
        file.close()
        self._file = None
        self._note.unlink(missing_ok=True)
        return self.target

    def close(self) -> None:
        """Let go; what is there stays, to be gone on with, if it can be."""
        with self._writing:
            file, self._file = self._file, None
        if file is None:
            return
        _unlock(file)
        file.close()
        if self._private or not self.have or self.validator is None:
            self._path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)


def _open(path: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b", buffering=0)  # what is written is safe from a crash of ours


def _lock(path: Path) -> BinaryIO | None:
    """Open a file for this download alone; None if another one has it."""
    file = _open(path)
    try:
        if _fcntl is not None:  # pragma: no branch - Windows
            _fcntl.flock(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):  # else it was given its name meanwhile
            return file
    except OSError:
        pass
    file.close()
    return None


def _unlock(file: BinaryIO) -> None:
    """Let another download have it; to close it is not enough, when a child that was forked meanwhile has it, too."""
    if _fcntl is not None:  # pragma: no branch - Windows
        _fcntl.flock(file, _fcntl.LOCK_UN)
