"""`decart.structure`: whether a file is whole, by the headers of its boxes alone."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import MP4

from decart.structure import Structure, is_whole


def box(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def large_box(name: bytes, content: bytes = b"") -> bytes:
    """Return a box whose length has 64 bits."""
    return struct.pack(">I4sQ", 1, name, 16 + len(content)) + content


def png_chunk(name: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", len(content), name) + content + struct.pack(">I", zlib.crc32(name + content))


FTYP, MOOV, MDAT = box(b"ftyp", b"isom"), box(b"moov", box(b"mvhd", bytes(9))), box(b"mdat", b"x" * 99)
PNG = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", bytes(13)) + png_chunk(b"IDAT", b"x" * 50) + png_chunk(b"IEND")
WHOLE = {
    "the picture data last": FTYP + MOOV + MDAT,
    "the index last": FTYP + MDAT + MOOV,
    "fragments": FTYP + MOOV + (box(b"moof", b"f") + MDAT) * 3,
    "a length of 64 bits": FTYP + MOOV + large_box(b"mdat", b"x" * 70),
    "a picture": PNG,
    "the MP4 of the tests": MP4,
}


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_a_file_is_whole_and_no_beginning_of_it_is_unless_it_ends_with_a_fragment(data: bytes) -> None:
    assert is_whole([data])
    ends = [end for end in range(len(data)) if is_whole([data[:end]])]
    fragments = data.count(b"moof")
    assert len(ends) == (2 * fragments - 2 if fragments else 0)


@given(st.sampled_from(list(WHOLE.values())), st.lists(st.integers(0, 400), max_size=9), st.integers(0, 400))
def test_it_does_not_matter_how_the_bytes_are_cut_into_chunks(data: bytes, cuts: list[int], end: int) -> None:
    data = data[:end]
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[first:last] for first, last in zip(places, places[1:], strict=False)]
    assert is_whole(chunks) == is_whole([data])


@pytest.mark.parametrize("rest", [b"", b"x" * 500])
def test_a_last_box_without_a_length_reaches_to_the_end(rest: bytes) -> None:
    assert is_whole([FTYP + MOOV + struct.pack(">I4s", 0, b"mdat"), rest])


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
        b"<html>" * 20,
    ],
)
def test_what_has_another_format_or_something_missing_or_behind_it_is_not_whole(data: bytes) -> None:
    assert not is_whole([data])
    assert not is_whole([bytes([byte]) for byte in data])


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_read_without_an_error(data: bytes) -> None:
    is_whole([data])
    is_whole([FTYP, MOOV, data])
    is_whole([PNG[:33], data])


def test_a_gigabyte_takes_no_memory() -> None:
    structure, chunk = Structure(), bytes(1024 * 1024)
    structure.feed(FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 16 + 1024 * len(chunk)))
    tracemalloc.start()
    try:
        for _ in range(1024):
            assert not structure.is_whole
            structure.feed(chunk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert structure.is_whole
    assert peak < 64 * 1024
