# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Files that the service keeps for a while: upload, find and delete them."""

from __future__ import annotations

from functools import partial

from ..arguments import shown_progress
from ..events import Operation
from ..files import (
    AnyFile,
    Deletion,
    FileReference,
    Ttl,
    file_error,
    file_id_of,
    get_call,
    ttl_text,
    upload_call,
    upload_error,
)
from ..policies import repeat_read, repeat_submit
from ..progress import ShowProgress
from ..uploads import FileInput
from .backend import AWAITED, in_thread
from .engine import Engine


class FilesClient:
    """The files of one client; reach it as ``client.files``. Any number of threads and tasks may use it at once.

    ``get`` and ``delete`` accept the id of a file, in any process, or its ``FileReference``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def upload(
        self, file: FileInput, ttl: Ttl | None = None, progress: ShowProgress | None = None
    ) -> FileReference:
        """Upload a file, which is read while it is sent.

        It is repeated only if the service certainly did not accept it, because a second upload stores a second file.

        Args:
            file: ``bytes``, a ``pathlib.Path``, an open binary file, or any other input of a job.
            ttl: How long the service keeps it: 60 to 2,592,000 seconds (30 days), a ``timedelta``, or
                ``"persistent"``; the service's default is a day.
            progress: Called with a ``Progress``, in bytes, at most ten times a second; True for a bar (extra
                ``progress``).

        Raises:
            InvalidInputError: The file cannot be read, or ``ttl`` is out of range; nothing was sent.
            CallError: There is no reference; the message says whether the file may have been stored.

        Example:
            >>> file = client.files.upload(Path("image.jpg"), ttl=timedelta(hours=2))
            >>> file.id
            'file_...'
        """
        engine, ttl_seconds = self._engine, ttl_text(ttl)
        with shown_progress(progress, awaited=AWAITED) as (on_progress, _):
            meter = engine.reporter.meter("upload", on_progress, engine.transport.now)
            call = in_thread(partial(upload_call, engine.settings, file, ttl_seconds, meter, engine.check_open))
            return engine.call(Operation(name="file"), call, repeat_submit, upload_error)

    def get(self, file: AnyFile) -> FileReference:
        """Fetch the reference of a file: its size, type and dates, not its content.

        Raises:
            InvalidInputError: ``file`` is not the id of a file.
            CallError: It could not be read; ``cause`` is a ``NotFoundError`` if there is no such file.

        Example:
            >>> (client.files.get(file.id)).size_bytes
            48213
        """
        engine, file_id = self._engine, file_id_of(file, self._engine.settings)
        error_of = partial(file_error, "read", file_id)
        return engine.call(Operation(name="file"), get_call(engine.settings, file_id), repeat_read, error_of)

    def delete(self, file: AnyFile) -> None:
        """Delete a file. One that is gone when a failed attempt is repeated counts as deleted.

        Raises:
            InvalidInputError: ``file`` is not the id of a file.
            CallError: It was not deleted; ``cause`` is a ``NotFoundError`` if there is no such file.

        Example:
            >>> client.files.delete(file)
        """
        engine, file_id = self._engine, file_id_of(file, self._engine.settings)
        deletion = Deletion(settings=engine.settings, file_id=file_id)
        error_of = partial(file_error, "deleted", file_id)
        engine.call(Operation(name="file"), deletion.call(), deletion.repeat, error_of)
