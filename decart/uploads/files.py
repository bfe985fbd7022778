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
a PIL image                                in its own format if it has one (``image.format``), or as PNG
``(name, file)``, ``(name, file, type)``   any of the above, under another name and MIME type
=========================================  ==============================================================

A ``str`` is refused: it could be a path, an address or the bytes themselves, and guessing is how files leak. A file
whose ``read`` is async is refused, too; its sync file, if it has one, is not (``upload.file`` of Starlette).

An open file is left where it stands, and several threads and tasks may send the same one at once; see
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
from .shared import Unusable, shared_file, text_mode
from .sources import InMemory, Source, file_source, path_source

OCTET_STREAM = "application/octet-stream"
_MIME = r"[\w.+-]+/[\w.+-]+([ \t]*;[\x20-\x7e]*)?"
_KINDS = "bytes, pathlib.Path or an open binary file"


class HasRead(Protocol):
    """Anything that gives bytes: an open binary file, an upload of a web framework, a response of another library."""

    def read(self, size: int = ..., /) -> bytes: ...


class PILImage(Protocol):
    """A picture of Pillow's (``PIL.Image.Image``)."""

    format: str | None

    @property
    def mode(self) -> str: ...

    def convert(self, mode: str, /) -> PILImage: ...

    def save(self, fp: Any, format: str | None = ..., **options: Any) -> None: ...


UnnamedFile = Union[bytes, bytearray, memoryview, "os.PathLike[str]", HasRead, PILImage]
FileInput = UnnamedFile | tuple[str | None, UnnamedFile] | tuple[str | None, UnnamedFile, str | None]


@attrs.frozen(kw_only=True, eq=False)
class Upload:
    """A file on its way: its name and type, and where its bytes come from.

    Attributes:
        field: The input that it belongs to; errors name it.
        filename: Its name without folders.
        content_type: Its MIME type.
        source: Where its bytes come from.
        shown: What errors call it: its path as given, or its name; empty if it has none.
    """

    field: str
    filename: str
    content_type: str
    source: Source = attrs.field(repr=False)
    shown: str = ""

    @property
    def size(self) -> int:
        """Bytes that will be sent."""
        return self.source.size

    def chunks(self) -> Iterator[bytes]:
        """Read the file from its start, exactly ``size`` bytes of it.

        Raises:
            InvalidInputError: The file cannot be read any more, or has become shorter or longer since it was looked at.
                By then its last bytes have not been given out, so that no server takes the request for a whole one.
        """
        done = 0
        with _blaming(self.field, self.shown), self.source.open() as read_at:
            while done < self.size:
                chunk = read_at(done, min(CHUNK, self.size - done))
                done += len(chunk)
                if not chunk:
                    raise Unusable(
                        "the file became shorter while it was sent", f": {self.size - done} bytes are missing"
                    )
                if done == self.size and read_at(done, 1):
                    raise Unusable("the file became longer while it was sent")
                yield chunk


@contextmanager
def _blaming(field: str, shown: str) -> Iterator[None]:
    """Turn a failure of the caller's file into one sentence that names the field and the file."""
    try:
        yield
    except InvalidInputError:
        raise
    except Unusable as error:
        name = f" ({shown})" if shown else ""
        raise InvalidInputError(f"{field}: {error.what}{name}{error.advice}.") from error.__cause__
    except Exception as error:
        name = f"{shown}: " if shown else ""
        raise InvalidInputError(f"{field}: the file cannot be read ({name}{reason_of(error)}).") from error


def upload(field: str, value: object) -> Upload:
    """Turn what the caller gave into a part that can be sent, and sent again.

    Raises:
        InvalidInputError: It is not a file, or one that is missing, empty, closed, at its end, opened in text mode, or
            cannot be read for another reason, which the message gives.
    """
    if isinstance(value, tuple):
        return _from_tuple(field, value)
    with _blaming(field, _shown(value)):
        return _from_anything(field, value)


def _from_anything(field: str, value: Any) -> Upload:
    if isinstance(value, str):
        raise InvalidInputError(
            f"{field}: a str is not a file; write pathlib.Path(...) for one on disk, open(..., 'rb') for an open one, "
            "or pass the bytes themselves."
        )
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _from_bytes(field, bytes(value))
    if isinstance(value, os.PathLike):
        return _from_path(field, value)
    if callable(getattr(value, "read", None)):
        return _from_file(field, value)
    if callable(getattr(value, "save", None)) and hasattr(value, "format") and hasattr(value, "mode"):
        return _from_image(field, value)
    raise InvalidInputError(f"{field}: a file is needed ({_KINDS}), not {one_line(type(value).__name__)}.")


def _from_bytes(field: str, data: bytes) -> Upload:
    if not data:
        raise Unusable("the file is empty")
    return Upload(field=field, filename=field, content_type=OCTET_STREAM, source=InMemory(data))


def _from_path(field: str, value: os.PathLike[str]) -> Upload:
    given = os.fsdecode(value)
    path = Path(given)
    if not given or path == Path():
        raise InvalidInputError(f"{field}: the path is empty; it must lead to a file.")
    return Upload(
        field=field,
        filename=path.name,
        content_type=_guess(path.name),
        source=path_source(path.absolute()),  # the current folder may change before the file is sent
        shown=one_line(given),
    )


def _from_file(field: str, file: Any) -> Upload:
    if getattr(file, "closed", False) is True:
        raise Unusable("the file is closed")
    if isinstance(file, io.TextIOBase):
        raise text_mode()
    name = _name_of(file)
    return Upload(
        field=field,
        filename=name or field,
        content_type=_type_of(file, name or field),
        source=file_source(file),
        shown=one_line(name or ""),
    )


def _from_image(field: str, image: PILImage) -> Upload:
    """Write a picture in its own format, or as PNG if it has none, or one that cannot be written."""
    shared = shared_file(image)
    with shared.lock:  # a picture that was not loaded yet reads its file now
        try:
            data, kind = _encoded(image, image.format or "PNG")
        except Exception:
            foreign = image.mode in ("CMYK", "YCbCr", "HSV")  # which PNG does not know
            if image.format in (None, "PNG") and not foreign:
                raise
            data, kind = _encoded(image.convert("RGB") if foreign else image, "PNG")
    name = _name_of(image) or field
    content_type = _guess(f"picture.{kind.lower()}")
    if _guess(name) != content_type:
        name = f"{Path(name).stem}.{kind.lower()}"
    return Upload(field=field, filename=name, content_type=content_type, source=InMemory(data))


def _encoded(image: PILImage, kind: str) -> tuple[bytes, str]:
    """Return a picture's bytes without loss, as far as its format can, and the format."""
    lossless: dict[str, dict[str, Any]] = {"JPEG": {"quality": "keep"}, "WEBP": {"lossless": True}}
    file = io.BytesIO()
    image.save(file, format=kind, **lossless.get(kind, {}))
    if not file.getvalue():
        raise Unusable("the picture was written as no bytes at all")
    return file.getvalue(), kind


def _from_tuple(field: str, given: tuple[Any, ...]) -> Upload:
    """Take a file with a name and a type of the caller's choice, as requests and httpx do."""
    if len(given) not in (2, 3) or isinstance(given[1], tuple):
        raise InvalidInputError(f"{field}: a tuple must be (name, file) or (name, file, type).")
    name, value, kind = (*given, None)[:3]
    if name is not None and (not isinstance(name, str) or not _base(name)):
        raise InvalidInputError(f"{field}: the name in a tuple (name, file) must be the name of a file, or None.")
    if kind is not None and not _is_type(kind):
        raise InvalidInputError(f"{field}: the type in a tuple (name, file, type) must be like 'image/png', or None.")
    base = None if name is None else _base(name)
    shown = one_line(base or "") or _shown(value)
    with _blaming(field, shown):
        part = attrs.evolve(_from_anything(field, value), shown=shown)
    if base is not None:
        guess = _guess(base)
        keeps = guess == OCTET_STREAM or not hasattr(value, "read") and hasattr(value, "save")  # we wrote the picture
        part = attrs.evolve(part, filename=base, content_type=part.content_type if keeps else guess)
    return part if kind is None else attrs.evolve(part, content_type=kind)


def _shown(value: Any) -> str:
    """Return what errors call a file that may not even have a name that can be read."""
    try:
        if isinstance(value, os.PathLike):
            return one_line(os.fsdecode(value))
        return one_line(_name_of(value) or "") if hasattr(value, "read") else ""
    except Exception:
        return ""


def _name_of(file: Any) -> str | None:
    """Return the file's own name without folders: Werkzeug keeps it in ``filename`` (``name`` is the form field's)."""
    standard = isinstance(file, io.IOBase)  # those have a name only, and gzip warns of its filename
    for attribute in ("name",) if standard else ("filename", "name"):
        if hasattr(file, attribute):
            name = getattr(file, attribute)
            return _base(name) if isinstance(name, str) else None
    return None


def _base(name: str) -> str | None:
    return re.split(r"[/\\]", name)[-1] or None


def _type_of(file: Any, name: str) -> str:
    declared = getattr(file, "content_type", None)
    return declared if _is_type(declared) else _guess(name)


def _is_type(value: object) -> TypeGuard[str]:
    """Say whether this is a MIME type, and one that can stand in a header."""
    return isinstance(value, str) and bool(re.fullmatch(_MIME, value, re.ASCII))


def _guess(name: str) -> str:
    import mimetypes  # takes a while to load

    return mimetypes.guess_type(name)[0] or OCTET_STREAM
