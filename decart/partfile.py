"""Where a video may be saved, and the part of a download that a later call can resume.

A part lies in a hidden file beside its target; its lock file contains what the server called the content (its ``ETag``)
and how long it is. When the part is complete and on the disk, it replaces the target. A download that is interrupted,
even by a crash, is resumed from its part by the next call. While the part is in use, any other download of the same job
to the same target uses a private one.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .atomic import WorkFile, refuse_special, remove_leftovers
from .errors import InvalidInputError


def check_target(path: object, name: str = "path") -> Path:
    """Return the absolute path that a video may be saved to; see ``find_target``.

    Raises:
        InvalidInputError: It is not a path, or nothing can be saved there.
    """
    try:
        return find_target(path)
    except OSError as error:
        raise InvalidInputError(f"path: {error}") from None


def current_folder() -> str:
    """Return the folder that relative paths start in now; ``"."`` if it was deleted."""
    try:
        return os.getcwd()
    except OSError:
        return os.curdir


def find_target(path: object, start: str = os.curdir) -> Path:
    """Return the absolute path of a file that a video may be saved to, or of a symlink that leads to it.

    A relative path starts in the folder ``start``, and ``~`` is the home folder.

    Raises:
        InvalidInputError: It is not a path.
        OSError: It is a folder or a special file, or its folder does not exist or cannot be written to.
    """
    typed = _typed(path)
    target = Path(start, os.path.expanduser(typed)).absolute()
    if _is_open_file(target):
        raise OSError(f"{typed} is an open file of a process, which cannot be replaced; name a file.")
    refuse_special(target, typed)
    if typed.endswith(("/", os.sep)):
        raise IsADirectoryError(f"{typed} is a folder; name a file in it.")
    file = resolved(target)
    folder = os.path.dirname(typed) or os.curdir
    if target.is_symlink():
        folder = f"{file.parent}, which {typed} leads to,"
    if not file.parent.is_dir():
        raise FileNotFoundError(f"{typed} cannot be written: the folder {folder} does not exist.")
    if not os.access(file.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(f"{typed} cannot be written: nothing can be written to the folder {folder}.")
    return target


def _typed(path: object) -> str:
    """Return a path as it was typed.

    Raises:
        InvalidInputError: It cannot be the path of a file.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidInputError(f"path: a file name is needed (str or pathlib.Path), not {type(path).__name__}.")
    try:
        typed = os.fspath(path)
        os.fsencode(typed)
    except UnicodeEncodeError:
        raise InvalidInputError(f"path: {str(path)[:100]!r} holds a character that no file name can have.") from None
    except Exception as error:
        raise InvalidInputError(f"path: __fspath__ of {type(path).__name__} failed ({error}).") from None
    if not isinstance(typed, str):
        raise InvalidInputError("path: a file name is needed (str or pathlib.Path), not bytes.")
    if not typed:
        raise InvalidInputError("path: the file name is empty.")
    if "\0" in typed:
        raise InvalidInputError(f"path: {typed[:100]!r} holds a character that no file name can have.")
    return typed


def _is_open_file(path: Path) -> bool:
    """Tell whether a path leads to the open file of a process, as /dev/stdout does; links are followed step by step."""
    for _ in range(40):
        if re.match(r"/dev/(fd|std(in|out|err)$)|/proc/[^/]+/fd/", str(path)):
            return True
        try:
            path = path.parent / os.readlink(path)
        except OSError:
            return False
    return False


def resolved(target: Path) -> Path:
    """Return the file that a path leads to, whether it exists or not."""
    return Path(os.path.realpath(target))


class PartFile:
    """The beginning of a file, and what is known of the whole.

    Threads may be at work on it when it is closed: the one that is lets go of it when it is done, and what comes later
    has no effect.

    Args:
        target: The path of the file in the end; a symlink stays, and the file that it leads to is replaced.
        source: What it is a part of; the same target and source find the same part again.

    Attributes:
        have: Bytes that are there already.
        validator: What the server called the content that they are of: an ``ETag`` or a date.
        total: Bytes of the whole, if it said.
    """

    def __init__(self, target: Path, source: str) -> None:
        self.target = target
        self.have = 0
        self.validator: str | None = None
        self.total: int | None = None
        self._file_path, self._source = resolved(target), source
        self._work: WorkFile | None = None
        self._in_use = threading.Lock()
        self._closed = False

    def open(self) -> PartFile:
        """Find what is there already, and keep other downloads away from it.

        Raises:
            OSError: The folder is gone, or the disk is full.
        """
        with self._using():
            remove_leftovers(self._file_path)
            work = WorkFile.claim(self._file_path, self._source) or WorkFile.create(self._file_path)
            self._work = work
            work.keep_permissions(self._file_path, more=0o600)  # it must be possible to open it again
            self._read_note(work)
            work.file.seek(self.have)
        return self

    def _read_note(self, work: WorkFile) -> None:
        """Find out what is there; without a note, or with one that does not fit, nothing is."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            work.lock.seek(0)
            note, size = json.loads(work.lock.read()), os.fstat(work.file.fileno()).st_size
            validator, total = note["validator"], note["total"]
            if size and isinstance(validator, str) and (total is None or (isinstance(total, int) and size <= total)):
                self.have, self.validator, self.total = size, validator, total

    def begin(self, validator: str | None, total: int | None) -> None:
        """Forget what is there, and take a note of what is to come.

        Raises:
            OSError: The disk is full or failed.
        """
        with self._using() as work:
            if work is not None:
                with self._trusting(work):
                    work.lock.truncate(0)  # from here until the end, no note vouches for what is in the file
                    work.file.seek(0)
                    work.file.truncate()
                    work.lock.seek(0)
                    work.lock.write(json.dumps({"validator": validator, "total": total}).encode())
                self.have, self.validator, self.total = 0, validator, total

    def write(self, data: bytes) -> None:
        """Add to what is there.

        Raises:
            OSError: The disk is full or failed.
        """
        with self._using() as work:
            if work is not None:
                left = memoryview(data)
                with self._trusting(work):
                    while left:
                        left = left[work.file.write(left) :]
                self.have += len(data)

    def finish(self) -> Path:
        """Make the part the target, when all of it is on the disk, and leave nothing else behind.

        Raises:
            OSError: The disk is full or failed; or the target cannot be replaced, and the part is still there.
        """
        with self._using() as work:
            if work is None:
                raise ValueError("This part is closed.")
            with self._trusting(work):
                work.flush(self._file_path)
            work.move_to(self._file_path)
            self._work = None
            work.discard()
            remove_leftovers(self._file_path, all_of_them=True)  # the name is taken: nobody is going to resume them
        return self.target

    def close(self) -> None:
        """Let go of the part without waiting; it stays if a later download can resume it."""
        self._closed = True
        if self._in_use.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._in_use.release()

    @contextmanager
    def _using(self) -> Iterator[WorkFile | None]:
        """Give the open file to one thread at a time, and let go of it if the part was closed meanwhile."""
        try:
            with self._in_use:
                yield self._work
        finally:
            if self._closed:
                self.close()

    @contextmanager
    def _trusting(self, work: WorkFile) -> Iterator[None]:
        """After an error of the disk, no later download may rely on what is in the file."""
        try:
            yield
        except OSError:
            self.validator = None
            with suppress(OSError):
                work.lock.truncate(0)
            raise

    def _let_go(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            if work.private or not self.have or self.validator is None or not work.path.exists():
                work.discard()
            else:
                work.release()
