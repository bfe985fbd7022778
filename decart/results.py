"""What results have in common: they are saved atomically, display themselves in notebooks, and are inputs of jobs."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from .partfile import write_atomically
from .targets import current_folder, find_target


class FileResult:
    """Mark a result that can be the file input of another call: its bytes are ``data``, or its file is ``path``."""

    __slots__ = ()


class NotAFile:
    """Mark a value that is easily mistaken for a file input; ``instead`` says what to pass."""

    __slots__ = ()
    instead: ClassVar[str]


def file_of(result: Any) -> Any:
    """Return the bytes or the path of a ``FileResult``, and anything else as it is."""
    if not isinstance(result, FileResult):
        return result
    data = getattr(result, "data", None)
    return getattr(result, "path", None) if data is None else data


class InNotebook:
    """Give a value an HTML representation for notebooks; see `decart.integrations.notebook`."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from .integrations.notebook import bundle

        return bundle(self)  # type: ignore[arg-type]  # every subclass is of one of its types


class Savable(ABC):
    """Give a result the methods that write it to a file."""

    __slots__ = ()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the video or image to ``path`` and return it; copy it if it is in a file already.

        The bytes go to a temporary file in the same folder, which replaces ``path`` once it is complete and on the
        disk: a reader of ``path`` sees either the old file or the complete new one. The permissions of an old file are
        kept, a symlink is followed, and ``~`` is the home folder.

        Raises:
            JobFailedError: There is nothing to save, because the job failed.
            JobTimeoutError: There is nothing to save yet.
            InvalidInputError: ``path`` is not a path.
            OSError: The folder does not exist, ``path`` is a folder, FIFO or device, the disk is full, or the file that
                holds the result is gone; nothing is left behind.
        """
        return self._save(path, current_folder())

    async def asave(self, path: str | os.PathLike[str]) -> Path:
        """Do the same as ``save`` in a thread, without blocking the event loop.

        Example:
            >>> await result.asave("lake.mp4")
            PosixPath('lake.mp4')
        """
        from asyncio import to_thread

        return await to_thread(self._save, path, current_folder())

    @abstractmethod
    def _save(self, path: str | os.PathLike[str], start: str) -> Path:
        """Save it to a path that is relative to the folder ``start``."""


def write_to(path: str | os.PathLike[str], start: str, content: bytes | BinaryIO) -> Path:
    """Write bytes, or the rest of an open file, to a path as the caller typed it, which is relative to ``start``."""
    target = find_target(path, start)
    with_name = {"display_name": os.fspath(path)}
    if isinstance(content, bytes):
        write_atomically(target, lambda part: part.write(content), **with_name)
    else:
        write_atomically(target, lambda part: shutil.copyfileobj(content, part), **with_name)
    return Path(os.path.expanduser(path))


def size_of(data: bytes | None) -> str:
    """Show bytes in a ``repr``, without their content."""
    return "None" if data is None else f"<{len(data)} bytes>"
