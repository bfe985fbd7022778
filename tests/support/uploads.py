"""Helpers for uploads: the bytes that are sent, and the error that refuses a file."""

from __future__ import annotations

import io
import random

import pytest

from decart import InvalidInputError
from decart.transports.base import CHUNK
from decart.uploads import Upload, upload

PNG = b"\x89PNG\r\n\x1a\n a picture"
LARGE = random.Random(13).randbytes(3 * CHUNK) + b"tail"  # no part of it equals another


class Stream:
    """A file that can be read only once, such as a socket."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size)


def content(part: Upload) -> bytes:
    """Read an upload, and check its size."""
    data = b"".join(part.chunks())
    assert len(data) == part.size
    return data


def sent_twice(value: object) -> bytes:
    """Return the bytes that are sent, and check that a second attempt sends the same ones."""
    part = upload("data", value)
    data = content(part)
    assert content(part) == data
    return data


def sent_twice_of(part: Upload) -> list[bytes]:
    return [content(part), content(part)]


def refused(text: str, value: object, field: str = "data") -> None:
    """Check that a value is refused by one sentence that starts with the name of the field."""
    with pytest.raises(InvalidInputError) as caught:
        upload(field, value)
    assert caught.value.message.startswith(f"{field}: ")
    assert text in caught.value.message
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message
