"""Uploaded files, which are kept until they expire."""

from __future__ import annotations

import math
import secrets
from pathlib import Path
from typing import Any

from werkzeug.datastructures import FileStorage

from .clock import Clock, iso_date


class Files:
    """The files of an emulator, each visible only to its owner: the key that it was uploaded with.

    Args:
        folder: Where they are kept.
        clock: The emulator's clock.
        keep: How many are kept; beyond that, the oldest are deleted.
    """

    def __init__(self, folder: Path, clock: Clock, keep: int) -> None:
        self._folder = folder
        self._clock = clock
        self._keep = keep
        # by owner and id: when each expires, in seconds since 1970, and the service's JSON for it
        self._files: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}

    def add(self, owner: str, upload: FileStorage, seconds: int | None) -> dict[str, Any]:
        """Keep a file for so many seconds, or permanently for ``None``; return its reference."""
        file_id = f"file_{secrets.token_hex(16)}"
        path = self._folder / file_id  # which contains nothing that was sent
        upload.save(path)
        now = self._clock.time()
        reference = {
            "id": file_id,
            "filename": upload.filename or None,
            "mime_type": upload.content_type or "application/octet-stream",
            "size_bytes": path.stat().st_size,
            "created_at": iso_date(now),
            "expires_at": None if seconds is None else iso_date(now + seconds),
        }
        self._files[owner, file_id] = (math.inf if seconds is None else now + seconds, reference)
        self._delete_old()
        return reference

    def find(self, owner: str, file_id: str) -> dict[str, Any] | None:
        """Return the reference of a file, or ``None`` if its owner has no such file."""
        self._delete_old()
        _, reference = self._files.get((owner, file_id), (0, None))
        return reference

    def remove(self, owner: str, file_id: str) -> bool:
        """Delete a file; return whether its owner had it."""
        self._delete_old()
        return self._delete((owner, file_id))

    def _delete_old(self) -> None:
        """Delete the expired files, and the oldest ones beyond the limit."""
        for key, (expires, _) in list(self._files.items()):
            if len(self._files) > self._keep or expires <= self._clock.time():
                self._delete(key)

    def _delete(self, key: tuple[str, str]) -> bool:
        known = self._files.pop(key, None) is not None
        if known:
            (self._folder / key[1]).unlink(missing_ok=True)
        return known
