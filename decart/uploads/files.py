"""File inputs: which values are accepted, and how they become parts of a request that can be sent more than once.

=========================================  ==============================================================
value                                      what is sent
=========================================  ==============================================================
``bytes``, ``bytearray``, ``memoryview``   the bytes
``pathlib.Path`` (any ``os.PathLike``)     the file's content, read while it is sent
an open binary file                        from its current position to its end, read while it is sent
Django ``UploadedFile``                    the same, with the name and MIME type that the browser sent
Werkzeug ``FileStorage``                   the same
any object with ``read``                   the same; copied to a temporary file first if it cannot seek
a Pillow image                             in its own format (``image.format``) if it has one, else as PNG
``(name, file)``, ``(name, file, type)``   any of the above, with another name and MIME type
=========================================  ==============================================================

A ``str`` is refused: it could be a path, a URL or the content itself, and guessing is how files leak. A file whose
``read`` is async is refused, too; pass its sync file if it has one (``upload.file`` in Starlette).

An open file stays at its position, and several threads and tasks may send the same one at once; see
`decart.uploads.sources`.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeGuard, Union

import attrs

from ..errors import InvalidInputError
from ..inputs import one_line, reason_of
from ..transports.base import CHUNK
from .shared import UnreadableFile, shared_file, text_mode_error
from .sources import InMemory, Source, file_source, path_source

OCTET_STREAM = "application/octet-stream"
_MIME = r"[\w.+-]+/[\w.+-]+([ \t]*;[\x20-\x7e]*)?"


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


UnnamedFile = Union[bytes, bytearray, memoryview, "os.PathLike[str]", HasRead, PILImage]
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
        with _file_errors(self.field, self.display_name), self.source.open() as read_at:
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
def _file_errors(field: str, display_name: str) -> Iterator[None]:
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


def upload(field: str, value: object) -> Upload:
    """Turn a file input into a part of a request, which can be sent more than once.

    Raises:
        InvalidInputError: It is not a file; or it is missing, empty, closed, at its end, open in text mode or
            unreadable for another reason, which the message gives.
    """
    if isinstance(value, tuple):
        return _from_tuple(field, value)
    with _file_errors(field, _display_name(value)):
        return _from_value(field, value)


def _from_value(field: str, value: Any) -> Upload:
    if isinstance(value, str):
        raise InvalidInputError(
            f"{field}: a str is not a file; pass pathlib.Path(...) for a file on disk, open(..., 'rb') for an open "
            "one, or the bytes themselves."
        )
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        if not data:
            raise UnreadableFile("the file is empty")
        return Upload(field=field, filename=field, content_type=OCTET_STREAM, source=InMemory(data))
    if isinstance(value, os.PathLike):
        typed = os.fsdecode(value)
        path = Path(typed)
        if path == Path():
            raise InvalidInputError(f"{field}: the path is empty or '.', which is a folder; pass the path of a file.")
        return Upload(
            field=field,
            filename=path.name,
            content_type=_guess_type(path.name),
            source=path_source(path.absolute()),  # the current folder may change before the file is sent
            display_name=one_line(typed),
        )
    if callable(getattr(value, "read", None)):
        return _from_file(field, value)
    if callable(getattr(value, "save", None)) and hasattr(value, "format") and hasattr(value, "mode"):
        return _from_image(field, value)
    kind = one_line(type(value).__name__)
    raise InvalidInputError(f"{field}: expected a file (bytes, pathlib.Path or an open binary file), not {kind}.")


def _from_file(field: str, file: Any) -> Upload:
    if getattr(file, "closed", False) is True:
        raise UnreadableFile("the file is closed")
    if isinstance(file, io.TextIOBase):
        raise text_mode_error()
    name = _name_of(file)
    declared = getattr(file, "content_type", None)
    return Upload(
        field=field,
        filename=name or field,
        content_type=declared if _is_mime_type(declared) else _guess_type(name or field),
        source=file_source(file),
        display_name=one_line(name or ""),
    )


def _from_image(field: str, image: PILImage) -> Upload:
    """Encode an image in its own format, or as PNG if it has none or one that Pillow cannot write."""
    shared = shared_file(image)
    with shared.lock:  # an image that is not loaded yet reads its file now
        try:
            data, kind = _encoded(image, image.format or "PNG")
        except Exception:
            needs_rgb = image.mode in ("CMYK", "YCbCr", "HSV")  # modes that PNG does not have
            if image.format in (None, "PNG") and not needs_rgb:
                raise
            data, kind = _encoded(image.convert("RGB") if needs_rgb else image, "PNG")
    name = _name_of(image) or field
    content_type = _guess_type(f"picture.{kind.lower()}")
    if _guess_type(name) != content_type:
        name = f"{Path(name).stem}.{kind.lower()}"
    return Upload(field=field, filename=name, content_type=content_type, source=InMemory(data))


def _encoded(image: PILImage, kind: str) -> tuple[bytes, str]:
    """Return an encoded image and its format, without loss where the format permits."""
    lossless: dict[str, dict[str, Any]] = {"JPEG": {"quality": "keep"}, "WEBP": {"lossless": True}}
    file = io.BytesIO()
    image.save(file, format=kind, **lossless.get(kind, {}))
    if not file.getvalue():
        raise UnreadableFile("the image was encoded as zero bytes")
    return file.getvalue(), kind


def _from_tuple(field: str, value: tuple[Any, ...]) -> Upload:
    """Accept a file with a name and a type of the caller's choice, as requests and httpx do."""
    if len(value) not in (2, 3) or isinstance(value[1], tuple):
        raise InvalidInputError(f"{field}: a tuple must be (name, file) or (name, file, type).")
    name, file, kind = (*value, None)[:3]
    base = _base(name) if isinstance(name, str) else None
    if name is not None and base is None:
        raise InvalidInputError(f"{field}: the name in a tuple (name, file) must be the name of a file, or None.")
    if kind is not None and not _is_mime_type(kind):
        raise InvalidInputError(f"{field}: the type in a tuple (name, file, type) must be like 'image/png', or None.")
    display_name = one_line(base or "") or _display_name(file)
    with _file_errors(field, display_name):
        part = attrs.evolve(_from_value(field, file), display_name=display_name)
    if base is not None:
        guess = _guess_type(base)
        is_image = not hasattr(file, "read") and hasattr(file, "save")  # its type is that of our encoding
        part = attrs.evolve(
            part, filename=base, content_type=part.content_type if is_image or guess == OCTET_STREAM else guess
        )
    return part if kind is None else attrs.evolve(part, content_type=kind)


def _display_name(value: Any) -> str:
    """Return what errors call a file, whose name may be unreadable, too."""
    try:
        if isinstance(value, os.PathLike):
            return one_line(os.fsdecode(value))
        return one_line(_name_of(value) or "") if hasattr(value, "read") else ""
    except Exception:
        return ""


def _name_of(file: Any) -> str | None:
    """Return a file's own name without folders; in Werkzeug, ``name`` is that of the form field."""
    is_standard = isinstance(file, io.IOBase)  # these have only ``name``, and gzip's ``filename`` is deprecated
    for attribute in ("name",) if is_standard else ("filename", "name"):
        if hasattr(file, attribute):
            name = getattr(file, attribute)
            return _base(name) if isinstance(name, str) else None
    return None


def _base(name: str) -> str | None:
    return re.split(r"[/\\]", name)[-1] or None


def _is_mime_type(value: object) -> TypeGuard[str]:
    """Return whether this is a MIME type that can be sent in a header."""
    return isinstance(value, str) and bool(re.fullmatch(_MIME, value, re.ASCII))


def _guess_type(name: str) -> str:
    import mimetypes  # slow to import

    return mimetypes.guess_type(name)[0] or OCTET_STREAM
