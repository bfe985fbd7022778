"""Store videos through Django's storage API: in the media folder, in a bucket, wherever the site keeps its files."""

from __future__ import annotations

import os
import posixpath
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePath

from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage, default_storage

from ...journal.files import files_named
from ...journal.jobstep import Store
from ...journal.records import JobRecord
from ...workfile import flush, flush_folder


def store_in(
    storage: Storage = default_storage,
    name: str | Callable[[JobRecord], str] = "videos/{label}.mp4",
) -> Store:
    """Return a ``store`` for ``client.jobs.step`` and ``client.jobs.sweep`` that saves each video in a storage.

    The name of a video belongs to it: a file that has the name already, from a call that crashed or from an earlier
    job of the label, is replaced, so there are never two copies, and ``record.saved_to`` is the name that was asked
    for. No video is held in memory.

    - In a ``FileSystemStorage``, or a subclass, the video is saved under a hidden name first, and then replaces the old
      file at once.
    - Elsewhere, ``save`` must show a file only when it is complete, as S3 does. A storage that does not overwrite
      files, such as S3 with ``file_overwrite=False``, keeps a file that has the name and the size already, and is not
      older than the job: it is this video. Another one is deleted first, and so is missing during the upload.

    Args:
        storage: The storage; the site's default one if you name none.
        name: The name of each video in it: a function of the record, or a text with ``{label}`` or ``{job_id}`` in it,
            and perhaps ``{model}`` and ``{generation}``. What cannot be part of the name of a file is replaced in them,
            and a digest added.

    Raises:
        InvalidInputError: ``name`` would give several videos one name.

    Example:
        >>> client.jobs.sweep(store=store_in(storages["videos"], "{label}.mp4"))
    """
    name_of: Callable[[JobRecord], str | Path] = name if callable(name) else files_named(name, argument="name")

    def store(record: JobRecord, path: Path) -> str:
        name = PurePath(name_of(record)).as_posix()
        if isinstance(storage, FileSystemStorage):
            return _replace(storage, name, path)
        return _save(storage, name, path, record.created_at)

    return store


def _replace(storage: FileSystemStorage, name: str, path: Path) -> str:
    """Save a video under a hidden name in its folder, and then rename it; first delete what earlier calls have left.

    Should one of these still be running, it fails, since its file is gone.
    """
    folder, last = posixpath.split(name)
    with suppress(FileNotFoundError):  # the folder may not exist yet
        for each in storage.listdir(folder)[1]:
            if re.fullmatch(rf"\.{re.escape(last)}\.[0-9a-f]{{8}}\.part", each):
                storage.delete(posixpath.join(folder, each))
    part = posixpath.join(folder, f".{last}.{secrets.token_hex(4)}.part")
    try:
        with path.open("rb") as video:
            part = storage.save(part, File(video, part))
        with open(storage.path(part), "rb+" if os.name == "nt" else "rb") as saved:  # its mode may forbid writing
            flush(saved)
        file = Path(storage.path(part)).replace(storage.path(name))
        flush_folder(file.parent)
        return name
    finally:
        storage.delete(part)  # unless it was renamed


def _save(storage: Storage, name: str, path: Path, since: float) -> str:
    """Save a video in a storage that shows complete files only, and return its name.

    Args:
        since: When its job was submitted, in UNIX seconds.
    """
    size = path.stat().st_size
    if storage.get_available_name(name) != name:  # the name is taken, and the storage does not overwrite
        if _is_saved(storage, name, size, since):
            return name
        storage.delete(name)
    with path.open("rb") as video:
        saved = storage.save(name, File(video, name))
    if saved != name and storage.exists(name) and _is_saved(storage, name, size, since):  # somebody else was faster
        storage.delete(saved)
        return name
    return saved


def _is_saved(storage: Storage, name: str, size: int, since: float) -> bool:
    """Return whether a file is a video of this size, and not one of an earlier job that had the name."""
    with suppress(NotImplementedError):  # not every storage knows both
        return storage.size(name) == size and storage.get_modified_time(name).timestamp() >= since
    return False
