"""Uploaded files, which are referred to by id until they expire."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import Any

import attrs
from werkzeug.datastructures import FileStorage

from .dates import Dates

DAY = 24 * 60 * 60
LIMITS = (60, 2_592_000)  # seconds that a file may be kept, unless it is kept permanently


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


class Files:
    """The files of an emulator, each visible to its owner only.

    Args:
        folder: Where they are kept.
        dates: The emulator's date.
        keep: How many are kept; beyond that, the oldest are deleted.
    """

    def __init__(self, folder: Path, dates: Dates, keep: int) -> None:
        self._folder = folder
        self._dates = dates
        self._keep = keep
        self._files: dict[str, StoredFile] = {}
        self._lock = threading.Lock()

    def add(self, owner: str, upload: FileStorage, seconds: int | None) -> StoredFile:
        """Keep a file for so many seconds, or permanently for ``None``."""
        self._clear()
        file_id = f"file_{secrets.token_hex(16)}"
        path = self._folder / file_id
        upload.save(path)
        now = self._dates.now()
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
            too_many = list(self._files.values())[: -self._keep]
        for old in too_many:
            self._drop(old)
        return stored

    def find(self, owner: str, file_id: str) -> StoredFile | None:
        """Return a file, or ``None`` if its owner has no such file."""
        self._clear()
        stored = self._files.get(file_id)
        return stored if stored is not None and stored.owner == owner else None

    def remove(self, owner: str, file_id: str) -> bool:
        """Delete a file; return whether its owner had it."""
        stored = self.find(owner, file_id)
        return stored is not None and self._drop(stored)

    def reference(self, stored: StoredFile) -> dict[str, Any]:
        """Return the service's JSON for a file."""
        return {
            "id": stored.id,
            "filename": stored.filename,
            "mime_type": stored.mime_type,
            "size_bytes": stored.size,
            "created_at": self._dates.text(stored.created),
            "expires_at": None if stored.expires is None else self._dates.text(stored.expires),
        }

    def _clear(self) -> None:
        """Delete the expired files."""
        now = self._dates.now()
        with self._lock:
            expired = [file for file in self._files.values() if file.expires is not None and file.expires <= now]
        for stored in expired:
            self._drop(stored)

    def _drop(self, stored: StoredFile) -> bool:
        with self._lock:
            was_there = self._files.pop(stored.id, None) is not None
        stored.path.unlink(missing_ok=True)
        return was_there
