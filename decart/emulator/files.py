"""Uploaded files, which are kept until they expire."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import Any

import attrs
from werkzeug.datastructures import FileStorage

from .clock import Clock, iso_date


@attrs.frozen(kw_only=True)
class StoredFile:
    """A file that the emulator keeps.

    Attributes:
        owner: The key that it was uploaded with, which alone can see it.
        path: Its path on disk, which contains nothing that was sent.
        expires: When it expires, in seconds since 1970; ``None`` if never.
        reference: The service's JSON for it.
    """

    owner: str = attrs.field(repr=False)
    path: Path
    expires: float | None
    reference: dict[str, Any]


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
        expires = None if seconds is None else now + seconds
        reference = {
            "id": file_id,
            "filename": upload.filename or None,
            "mime_type": upload.content_type or "application/octet-stream",
            "size_bytes": path.stat().st_size,
            "created_at": iso_date(now),
            "expires_at": None if expires is None else iso_date(expires),
        }
        stored = StoredFile(owner=owner, path=path, expires=expires, reference=reference)
        with self._lock:
            self._files[file_id] = stored
            self._delete_old()
        return stored

    def find(self, owner: str, file_id: str) -> StoredFile | None:
        """Return a file, or ``None`` if its owner has no such file."""
        with self._lock:
            self._delete_old()
            stored = self._files.get(file_id)
        return stored if stored is not None and stored.owner == owner else None

    def remove(self, owner: str, file_id: str) -> bool:
        """Delete a file; return whether its owner had it."""
        with self._lock:
            self._delete_old()
            stored = self._files.get(file_id)
            if stored is None or stored.owner != owner:
                return False
            self._delete(file_id)
            return True

    def _delete_old(self) -> None:
        """Delete the expired files, and the oldest ones beyond the limit."""
        now = self._clock.time()
        for file_id, stored in list(self._files.items()):
            if len(self._files) > self._keep or (stored.expires is not None and stored.expires <= now):
                self._delete(file_id)

    def _delete(self, file_id: str) -> None:
        self._files.pop(file_id).path.unlink(missing_ok=True)
