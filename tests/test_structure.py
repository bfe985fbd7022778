"""`decart.content.Structure`: whether a file is complete, by the headers of its boxes, chunks and segments alone."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.fakes import MP4

from decart.content import Structure, is_complete


def box(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def large_box(name: bytes, content: bytes = b"") -> bytes:
    """Return a box whose length has 64 bits."""
    return struct.pack(">I4sQ", 1, name, 16 + len(content)) + content


def png_chunk(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", len(content), name) + content + struct.pack(">I", zlib.crc32(name + content))


FTYP, MOOV, MDAT = box(b"ftyp", b"isom"), box(b"moov", box(b"mvhd", bytes(9))), box(b"mdat", b"x" * 99)
PNG = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", bytes(13)) + png_chunk(b"IDAT", b"x" * 50) + png_chunk(b"IEND")
FRAGMENTS = FTYP + MOOV + (box(b"moof", b"f") + MDAT) * 3


def jpeg(**options: Any) -> bytes:
    Image.effect_noise((40, 40), 80).save(file := io.BytesIO(), "JPEG", **options)
    return file.getvalue()


def exif(content: bytes) -> bytes:
    return b"Exif\0\0" + content


COMPLETE = {
    "the picture data last": FTYP + MOOV + MDAT,
    "the index last": FTYP + MDAT + MOOV,
    "fragments and their index": FRAGMENTS + box(b"mfra", b"index"),
    "a length of 64 bits": FTYP + MOOV + large_box(b"mdat", b"x" * 70),
    "a PNG": PNG,
    "a JPEG": jpeg(),
    "a progressive JPEG": jpeg(progressive=True),
    "a JPEG with a thumbnail": jpeg(exif=exif(jpeg())),
    "the MP4 of the tests": MP4,
}


@pytest.mark.parametrize("data", COMPLETE.values(), ids=COMPLETE)
def test_a_file_is_complete_and_none_of_its_prefixes_is(data: bytes) -> None:
    assert is_complete([data])
    assert [end for end in range(len(data)) if is_complete([data[:end]])] == []


def test_fragments_without_an_index_are_never_complete_as_the_next_may_have_been_cut_off() -> None:
    assert not any(is_complete([FRAGMENTS[:end]]) for end in range(len(FRAGMENTS) + 1))
    assert not is_complete([FRAGMENTS, box(b"mfra"), box(b"moof"), MDAT])


@given(st.sampled_from(list(COMPLETE.values())), st.lists(st.integers(0, 400), max_size=9), st.integers(0, 5000))
def test_it_does_not_matter_how_the_bytes_are_cut_into_chunks(data: bytes, cuts: list[int], end: int) -> None:
    data = data[:end]
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[first:last] for first, last in zip(places, places[1:], strict=False)]
    assert is_complete(chunks) == is_complete([data])


@pytest.mark.parametrize("rest", [b"", b"x" * 500])
def test_a_last_box_without_a_length_may_have_been_cut(rest: bytes) -> None:
    assert not is_complete([FTYP + MOOV + struct.pack(">I4s", 0, b"mdat"), rest])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        FTYP,
        FTYP + MDAT,
        FTYP + MOOV,
        MOOV + FTYP,
        FTYP + MOOV + MDAT + b"\x00\x00\x00\x07free",
        FTYP + MOOV + MDAT + struct.pack(">I4sQ", 1, b"free", 15),
        FTYP + MOOV + MDAT + b"<html>an error page</html>",
        FTYP + MOOV + MDAT + b"\x00",
        PNG + b"\x00",
        PNG + PNG,
        PNG[:8],
        b"\x1a\x45\xdf\xa3" + bytes(50),
        jpeg() + b"\x00",
        b"\xff\xd8\xff\xe0\x00\x03" + bytes(50),
        b"\xff\xd8\xff\xe0\x00\x04\x00\x00\x00\xda\x00\x04" + bytes(50) + b"\xff\xd9",
        b"\xff\xd8\xff\xe0\x00\x04\x00\x00\xff\xda\x00\x01" + bytes(50) + b"\xff\xd9",
        b"<html>" * 20,
    ],
)
def test_other_formats_and_files_with_missing_or_trailing_bytes_are_not_complete(data: bytes) -> None:
    assert not is_complete([data])
    assert not is_complete([bytes([byte]) for byte in data])


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_without_an_error(data: bytes) -> None:
    is_complete([data])
    is_complete([FTYP, MOOV, data])
    is_complete([PNG[:33], data])
    is_complete([jpeg()[:20], data])


def test_a_gigabyte_takes_no_memory() -> None:
    structure, chunk = Structure(), bytes(1024 * 1024)
    structure.feed(FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 16 + 1024 * len(chunk)))
    tracemalloc.start()
    try:
        for _ in range(1024):
            assert not structure.is_complete
            structure.feed(chunk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert structure.is_complete
    assert peak < 64 * 1024
