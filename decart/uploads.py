"""File uploads: which values are accepted, and the multipart/form-data body that reads them while it is sent.

=========================================  ==============================================================
value                                      what is sent
=========================================  ==============================================================
``bytes``, ``bytearray``, ``memoryview``   the bytes
``pathlib.Path`` (any ``os.PathLike``)     the file's content, read while it is sent
an open binary file                        from its current position to its end, read while it is sent
an upload of Django or Werkzeug (Flask)    the same, with the name and MIME type that the browser sent
any object with ``read``                   the same; copied to a temporary file first if it cannot seek
a result of a job or ``process``           its ``data``, or the content of the file at its ``path``
a Pillow image                             in its own format (``image.format``) if it has one, else as PNG
``(name, file)``, ``(name, file, type)``   any of the above, with another name and MIME type
=========================================  ==============================================================

A ``str`` is refused: it could be a path, a URL or the content itself, and guessing is how files leak. So is a file
whose ``read`` is async; pass its sync file if it has one (``upload.file`` in Starlette). For how bytes are read, by
several threads and tasks at once and for each attempt again, see `decart.file_sources`.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, TypeGuard, Union

import attrs

from .errors import InvalidInputError
from .file_sources import Source, UnreadableFile, bytes_source, file_source, lock_of, path_source, text_mode_error
from .inputs import one_line, reason_of
from .results import FileResult, NotAFile, file_of
from .transports.base import CHUNK

OCTET_STREAM = "application/octet-stream"


class HasRead(Protocol):
    """Anything that returns bytes: an open binary file, an upload of a web framework, a response of another library."""

    def read(self, size: int = ..., /) -> bytes: ...


class PILImage(Protocol):
    """A Pillow image (``PIL.Image.Image``)."""

    format: str | None

    @property
    def mode(self) -> str: ...

    def convert(self, mode: str, /) -> PILImage: ...

    def save(self, fp: Any, format: str | None = ..., **options: Any) -> None: ...


UnnamedFile = Union[bytes, bytearray, memoryview, "os.PathLike[str]", HasRead, PILImage, FileResult]
FileInput = UnnamedFile | tuple[str | None, UnnamedFile] | tuple[str | None, UnnamedFile, str | None]


@attrs.frozen(kw_only=True, eq=False)
class Upload:
    """A file to be sent.

    Attributes:
        field: The input that it was given for, which errors mention.
        filename: Its name without folders.
        content_type: Its MIME type.
        source: Where its bytes come from.
        display_name: The path or name that errors mention; empty if it has none.
    """

    field: str
    filename: str
    content_type: str
    source: Source = attrs.field(repr=False)
    display_name: str = ""

    @property
    def size(self) -> int:
        """Bytes that will be sent."""
        return self.source.size

    def chunks(self) -> Iterator[bytes]:
        """Read the file from its start, exactly ``size`` bytes of it.

        Raises:
            InvalidInputError: The file can no longer be read, or its size has changed. The last bytes are held back
                in that case, so that no server takes the request for a complete one.
        """
        done = 0
        with file_errors(self.field, self.display_name), self.source.open() as read_at:
            while done < self.size:
                chunk = read_at(done, min(CHUNK, self.size - done))
                done += len(chunk)
                if not chunk:
                    missing = f": {self.size - done} bytes are missing"
                    raise UnreadableFile("the file became shorter while it was being sent", missing)
                if done == self.size and read_at(done, 1):
                    raise UnreadableFile("the file became longer while it was being sent")
                yield chunk


@contextmanager
def file_errors(field: str, display_name: str) -> Iterator[None]:
    """Turn any error of the caller's file into one sentence that names the field and the file."""
    try:
        yield
    except InvalidInputError:
        raise
    except UnreadableFile as error:
        name = f" ({display_name})" if display_name else ""
        raise InvalidInputError(f"{field}: {error.problem}{name}{error.hint}.") from error.__cause__
    except Exception as error:
        name = f"{display_name}: " if display_name else ""
        raise InvalidInputError(f"{field}: the file cannot be read ({name}{reason_of(error)}).") from error


class MultipartBody:
    """A multipart/form-data body of known length; iterate over it once per attempt.

    No value can break the framing: the boundary is random, and file names are written as browsers write them (the
    WHATWG form encoding), with quotes, line breaks and control characters percent-encoded and everything else in UTF-8.

    Args:
        parts: Field name -> its text or file.
        on_progress: Called with the bytes consumed so far and the bytes in total.

    Attributes:
        content_type: The value of the Content-Type header.
        in_memory: Whether the body contains no files.
    """

    def __init__(
        self, parts: Mapping[str, str | Upload], on_progress: Callable[[int, int], object] | None = None
    ) -> None:
        boundary = os.urandom(16).hex()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._on_progress = on_progress or (lambda done, total: None)
        self._pieces: list[bytes | Upload] = []
        text = ""
        for name, part in parts.items():
            text += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
            if isinstance(part, str):
                text += f"\r\n\r\n{part}\r\n"
                continue
            filename = re.sub(r'[\x00-\x1f\x7f"\\]', lambda match: f"%{ord(match[0]):02X}", part.filename)
            text += f'; filename="{filename}"\r\nContent-Type: {part.content_type}\r\n\r\n'
            self._pieces += [text.encode("utf-8", "replace"), part]
            text = "\r\n"
        self._pieces.append(f"{text}--{boundary}--\r\n".encode("utf-8", "replace"))
        self.in_memory, self._length = len(self._pieces) == 1, 0
        for piece in self._pieces:
            self._length += len(piece) if isinstance(piece, bytes) else piece.size

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        done = 0
        self._on_progress(done, self._length)
        for piece in self._pieces:
            for chunk in (piece,) if isinstance(piece, bytes) else piece.chunks():
                yield chunk
                done += len(chunk)
                self._on_progress(done, self._length)


def upload(field: str, value: object) -> Upload:
    """Turn a file input into a part of a request, which can be sent more than once.

    Raises:
        InvalidInputError: It is not a file, or is missing, empty, closed, at its end, in text mode or unreadable.
    """
    file, name, content_type = _from_tuple(field, value) if isinstance(value, tuple) else (file_of(value), None, None)
    display_name = one_line(name or "") or _display_name(file)
    with file_errors(field, display_name):
        if _is_image(file):
            own_name, own_type, source = _from_image(field, file)
            content_type = content_type or own_type  # which is that of the encoding, whatever the name
        else:
            own_name, own_type, source = _from_file(field, file)
        guess = _guess_type(name) if name else OCTET_STREAM
        return Upload(
            field=field,
            filename=name or own_name,
            content_type=content_type or (own_type if guess == OCTET_STREAM else guess),
            source=source,
            display_name=display_name,
        )


def _from_tuple(field: str, value: tuple[Any, ...]) -> tuple[Any, str | None, str | None]:
    """Return a file with the name and type of the caller's choice, as requests and httpx accept them."""
    if len(value) not in (2, 3) or isinstance(value[1], tuple):
        raise InvalidInputError(f"{field}: a tuple must be (name, file) or (name, file, type).")
    name, file, content_type = (*value, None)[:3]
    base = _base(name) if isinstance(name, str) else None
    if name is not None and base is None:
        raise InvalidInputError(f"{field}: the name in a tuple (name, file) must be the name of a file, or None.")
    if content_type is not None and not _is_mime_type(content_type):
        raise InvalidInputError(f"{field}: the type in a tuple (name, file, type) must be like 'image/png', or None.")
    return file_of(file), base, content_type


def _from_file(field: str, value: Any) -> tuple[str, str, Source]:
    """Return the name, the MIME type and the bytes of anything but an image."""
    if isinstance(value, str):
        raise InvalidInputError(
            f"{field}: a str is not a file; pass pathlib.Path(...) for a file on disk, open(..., 'rb') for an open "
            "one, or the bytes themselves. A URL is not fetched."
        )
    if isinstance(value, (bytes, bytearray, memoryview)):
        if not (data := bytes(value)):
            raise UnreadableFile("the file is empty")
        return field, OCTET_STREAM, bytes_source(data)
    if isinstance(value, os.PathLike):
        path = Path(os.fsdecode(value))
        if path == Path():
            raise InvalidInputError(f"{field}: the path is empty or '.', which is a folder; pass the path of a file.")
        # absolute, because the current folder may change before the file is sent
        return path.name, _guess_type(path.name), path_source(path.absolute())
    if not callable(getattr(value, "read", None)):
        kind = one_line(type(value).__name__) + (f": {value.instead}" if isinstance(value, NotAFile) else "")
        raise InvalidInputError(f"{field}: expected a file (bytes, pathlib.Path or an open binary file), not {kind}.")
    if getattr(value, "closed", False) is True:
        raise UnreadableFile("the file is closed")
    if isinstance(value, io.TextIOBase):
        raise text_mode_error()
    name = _name_of(value) or field
    declared = getattr(value, "content_type", None)
    return name, declared if _is_mime_type(declared) else _guess_type(name), file_source(value)


def _is_image(value: Any) -> TypeGuard[PILImage]:
    if isinstance(value, (str, bytes, bytearray, memoryview, os.PathLike)) or callable(getattr(value, "read", None)):
        return False
    return callable(getattr(value, "save", None)) and hasattr(value, "format") and hasattr(value, "mode")


def _from_image(field: str, image: PILImage) -> tuple[str, str, Source]:
    """Encode an image in its own format, or as PNG if it has none or one that Pillow cannot write."""
    kind = image.format or "PNG"
    with lock_of(image):  # an image that is not loaded yet reads its file now
        try:
            data = _encoded(image, kind)
        except Exception:
            needs_rgb = image.mode in ("CMYK", "YCbCr", "HSV")  # modes that PNG does not have
            if kind == "PNG" and not needs_rgb:
                raise
            kind, data = "PNG", _encoded(image.convert("RGB") if needs_rgb else image, "PNG")
    name, content_type = _name_of(image) or field, _guess_type(f"image.{kind.lower()}")
    if _guess_type(name) != content_type:
        name = f"{Path(name).stem}.{kind.lower()}"
    return name, content_type, bytes_source(data)


def _encoded(image: PILImage, kind: str) -> bytes:
    """Encode an image without loss where the format permits."""
    lossless: dict[str, dict[str, Any]] = {"JPEG": {"quality": "keep"}, "WEBP": {"lossless": True}}
    file = io.BytesIO()
    image.save(file, format=kind, **lossless.get(kind, {}))
    if not file.getvalue():
        raise UnreadableFile("the image was encoded as zero bytes")
    return file.getvalue()


def _display_name(value: Any) -> str:
    """Return what errors call a file, whose name may be unreadable, too."""
    with suppress(Exception):
        name = os.fsdecode(value) if isinstance(value, os.PathLike) else hasattr(value, "read") and _name_of(value)
        return one_line(name or "")
    return ""


def _name_of(file: Any) -> str | None:
    """Return a file's own name without folders; in Werkzeug, ``name`` is that of the form field."""
    name = getattr(file, "name", None)
    if not isinstance(file, io.IOBase):  # these have only ``name``, and gzip's ``filename`` is deprecated
        name = getattr(file, "filename", name)
    return _base(name) if isinstance(name, str) else None


def _base(name: str) -> str | None:
    return re.split(r"[/\\]", name)[-1] or None


def _is_mime_type(value: object) -> TypeGuard[str]:
    """Return whether this is a MIME type that can be sent in a header."""
    return isinstance(value, str) and bool(re.fullmatch(r"[\w.+-]+/[\w.+-]+([ \t]*;[\x20-\x7e]*)?", value, re.ASCII))


def _guess_type(name: str) -> str:
    import mimetypes  # slow to import

    return mimetypes.guess_type(name)[0] or OCTET_STREAM
