"""What may be uploaded, and how it becomes a part of a request that can be sent again from its start.

=========================================  ==============================================================
given                                      sent
=========================================  ==============================================================
``bytes``, ``bytearray``, ``memoryview``   as they are
``pathlib.Path`` (any ``os.PathLike``)     the file's bytes, read while they are sent
an open binary file                        from its current position to its end, read while they are sent
Django ``UploadedFile``                    the same, with the name and MIME type that the browser gave
Werkzeug ``FileStorage``                   the same
any object with ``read``                   copied to a temporary file first, if it cannot be rewound
=========================================  ==============================================================

A ``str`` is refused: it could be a path, an address or the bytes themselves, and guessing is how files leak.
"""

from __future__ import annotations

import io
import os
import re
import stat
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, Union

import attrs

from .errors import InvalidInputError
from .transports.base import CHUNK

OCTET_STREAM = "application/octet-stream"
_MIME = r"[\w.+-]+/[\w.+-]+([ \t]*;[\x20-\x7e]*)?"
_IN_MEMORY = 1024 * 1024  # bytes of a stream that cannot be rewound, before its copy moves to the disk


class HasRead(Protocol):
    """Anything that gives bytes: an open binary file, an upload of a web framework, a response of another library."""

    def read(self, size: int = ..., /) -> bytes: ...


FileInput = Union[bytes, bytearray, memoryview, "os.PathLike[str]", HasRead]


@attrs.frozen(kw_only=True, eq=False)
class Upload:
    """A file on its way: its name, type and size, and how to read it from its start.

    Attributes:
        field: The input that it belongs to; errors name it.
        filename: Its name without folders.
        content_type: Its MIME type.
        size: Bytes that will be sent.
        open: Opens the file at its start.
    """

    field: str
    filename: str
    content_type: str
    size: int
    open: Callable[[], AbstractContextManager[Any]] = attrs.field(repr=False)

    def chunks(self) -> Iterator[bytes]:
        """Read the file from its start, exactly ``size`` bytes of it.

        Raises:
            InvalidInputError: The file cannot be read any more, or has become shorter or longer since it was looked at.
                By then its last bytes have not been given out, so that no server takes the request for a whole one.
        """
        left = self.size
        with _readable(self.field), self.open() as file:
            while left:
                chunk = file.read(min(CHUNK, left))[:left]
                if not chunk:
                    raise InvalidInputError(
                        f"{self.field}: the file became shorter while it was sent ({left} bytes are missing)."
                    )
                left -= len(chunk)
                if not left and file.read(1):
                    raise InvalidInputError(f"{self.field}: the file became longer while it was sent.")
                yield chunk


class _readable:
    """Turn a failure of the caller's file into one sentence that names the field."""

    def __init__(self, field: str) -> None:
        self.field = field

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, InvalidInputError):
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise InvalidInputError(f"{self.field}: the file cannot be read ({reason}).") from error


def upload(field: str, value: object) -> Upload:
    """Turn what the caller gave into a part that can be sent, and sent again.

    Raises:
        InvalidInputError: It is not a file, or one that is missing, empty, closed, or opened in text mode.
    """
    if isinstance(value, str):
        raise InvalidInputError(
            f"{field}: a str is not a file; write pathlib.Path(...) for one on disk, open(..., 'rb') for an open one, "
            "or pass the bytes themselves."
        )
    with _readable(field):
        if isinstance(value, (bytes, bytearray, memoryview)):
            part = _from_bytes(field, bytes(value))
        elif isinstance(value, os.PathLike):
            part = _from_path(field, Path(os.fsdecode(value)))
        elif callable(getattr(value, "read", None)):
            part = _from_file(field, value)
        else:
            raise InvalidInputError(
                f"{field}: a file is needed (bytes, pathlib.Path or an open binary file), not {type(value).__name__}."
            )
    if not part.size:
        raise InvalidInputError(f"{field}: the file is empty.")
    return part


def _from_bytes(field: str, data: bytes) -> Upload:
    return Upload(
        field=field,
        filename=field,
        content_type=OCTET_STREAM,
        size=len(data),
        open=lambda: nullcontext(io.BytesIO(data)),
    )


def _from_path(field: str, path: Path) -> Upload:
    if not stat.S_ISREG(path.stat().st_mode):  # a folder cannot be read, and a pipe would block
        raise InvalidInputError(f"{field}: {path} is not a file.")
    with path.open("rb") as file:  # opened now, so that a file that may not be read is told before anything is sent
        size = file.seek(0, os.SEEK_END)
    return Upload(
        field=field,
        filename=path.name,
        content_type=_guess(path.name),
        size=size,
        open=lambda: path.open("rb", buffering=0),
    )


def _from_file(field: str, file: Any) -> Upload:
    if getattr(file, "closed", False) is True:
        raise InvalidInputError(f"{field}: the file is closed.")
    if isinstance(file, io.TextIOBase):
        raise _text_mode(field)
    source = file if _can_rewind(file) else _copy(field, file)
    if not isinstance(source.read(0), bytes):
        raise _text_mode(field)
    start = source.tell()
    source.seek(0, os.SEEK_END)
    size = source.tell() - start
    source.seek(start)

    def again() -> AbstractContextManager[Any]:
        source.seek(start)
        return nullcontext(source)

    name = _name_of(file) or field
    part = Upload(field=field, filename=name, content_type=_type_of(file, name), size=max(size, 0), open=again)
    if source is not file:  # a copy of ours lives, and takes room on the disk, as long as it may have to be sent again
        weakref.finalize(part, source.close)
    return part


def _text_mode(field: str) -> InvalidInputError:
    return InvalidInputError(f"{field}: the file is open in text mode; open it with open(..., 'rb').")


def _can_rewind(file: Any) -> bool:
    """Say whether the file can be read again from where it stands now, by trying."""
    try:
        file.seek(file.tell())
        file.read(0)
    except (AttributeError, OSError, TypeError, ValueError):
        return False
    return True


def _copy(field: str, file: Any) -> Any:
    """Copy a stream that cannot be rewound, so that its length is known and a repeat sends the same bytes."""
    import tempfile

    spool = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
    try:
        for piece in _pieces(file):
            if not isinstance(piece, bytes):
                raise _text_mode(field)
            spool.write(piece)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    return spool


def _pieces(file: Any) -> Iterator[Any]:
    """Read to the end piece by piece; a ``read`` that takes no size gives the whole at once."""
    try:
        piece = file.read(CHUNK)
    except TypeError:
        yield file.read() or b""
        return
    while piece:
        yield piece
        piece = file.read(CHUNK)


def _name_of(file: Any) -> str | None:
    """Return the file's own name without folders: Werkzeug keeps it in ``filename`` (``name`` is the form field's)."""
    standard = isinstance(file, io.IOBase)  # those have a name only, and gzip warns of its filename
    for attribute in ("name",) if standard else ("filename", "name"):
        if hasattr(file, attribute):
            name = getattr(file, attribute)
            return re.split(r"[/\\]", name)[-1] or None if isinstance(name, str) else None
    return None


def _type_of(file: Any, name: str) -> str:
    declared = getattr(file, "content_type", None)
    return declared if isinstance(declared, str) and re.fullmatch(_MIME, declared, re.ASCII) else _guess(name)


def _guess(name: str) -> str:
    import mimetypes

    return mimetypes.guess_type(name)[0] or OCTET_STREAM
