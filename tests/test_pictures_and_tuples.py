"""`decart.uploads`: pictures of Pillow, and files that come with a name and a type in a tuple."""

from __future__ import annotations

import io
import pathlib
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from PIL import Image
from support.uploads import PNG, content, refused

from decart import InvalidInputError
from decart.uploads import OCTET_STREAM, upload

COLOURS = [(x * 16, y * 16, 128) for y in range(16) for x in range(16)]


def picture(mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (16, 16))
    image.putdata(COLOURS)
    return image.convert(mode)


def pixels(data: bytes) -> list[Any]:
    with Image.open(io.BytesIO(data)) as image:
        return [image.convert("RGB").getpixel((x, y)) for y in range(16) for x in range(16)]


def saved(kind: str, **options: Any) -> io.BytesIO:
    picture().save(file := io.BytesIO(), kind, **options)
    file.seek(0)
    return file


def test_a_picture_without_a_format_is_sent_as_png() -> None:
    part = upload("start", picture())
    assert (part.filename, part.content_type) == ("start.png", "image/png")
    assert pixels(content(part)) == COLOURS


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "I;16"])
def test_a_picture_of_any_mode_that_png_knows_is_sent(mode: str) -> None:
    with Image.open(
        io.BytesIO(content(upload("data", picture("L" if mode == "I;16" else mode).convert(mode))))
    ) as sent:
        assert (sent.format, sent.mode) == ("PNG", mode)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV"])
def test_colours_that_png_does_not_know_are_turned_into_its_own(mode: str) -> None:
    assert pixels(content(upload("data", picture(mode)))) == [
        picture(mode).convert("RGB").getpixel((x, y)) for y in range(16) for x in range(16)
    ]


@pytest.mark.parametrize(
    ("kind", "name", "content_type"),
    [
        ("PNG", "data.png", "image/png"),
        ("WEBP", "data.webp", "image/webp"),
        ("GIF", "data.gif", "image/gif"),
        ("BMP", "data.bmp", "image/bmp"),
        ("TIFF", "data.tiff", "image/tiff"),
    ],
)
def test_a_picture_is_sent_in_its_own_format_without_loss(kind: str, name: str, content_type: str) -> None:
    with Image.open(saved(kind, lossless=True)) as image:
        shown = [image.convert("RGB").getpixel((x, y)) for y in range(16) for x in range(16)]
        part = upload("data", image)
    assert (part.filename, part.content_type) == (name, content_type)
    assert pixels(content(part)) == shown


def test_a_jpeg_loses_nothing_by_being_sent() -> None:
    file = saved("JPEG", quality=60)
    with Image.open(file) as image:
        part = upload("data", image)
    assert (part.filename, part.content_type) == ("data.jpeg", "image/jpeg")
    assert abs(len(content(part)) - len(file.getvalue())) < 100  # the default quality, 75, would be larger
    assert pixels(content(part)) == pixels(file.getvalue())


def test_a_picture_keeps_the_name_of_its_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "lake.jpg").write_bytes(saved("JPEG").getvalue())
    with Image.open(tmp_path / "lake.jpg") as image:
        assert upload("data", image).filename == "lake.jpg"


def test_a_format_that_cannot_be_written_becomes_png(tmp_path: pathlib.Path) -> None:
    image = picture()
    image.format, image.filename = "PSD", "/drafts/lake.psd"  # type: ignore[attr-defined]
    part = upload("data", image)
    assert (part.filename, part.content_type, pixels(content(part))) == ("lake.png", "image/png", COLOURS)


def test_a_picture_that_cannot_be_written_is_refused_with_the_reason() -> None:
    refused("the file cannot be read (cannot write mode F as PNG).", Image.new("F", (2, 2)))
    file = saved("PNG")
    image = Image.open(file)
    file.close()
    refused("data: the file cannot be read (", image)


def test_threads_that_share_a_picture_not_loaded_yet_send_the_same(tmp_path: pathlib.Path) -> None:
    Image.effect_noise((400, 400), 80).save(tmp_path / "noise.png")
    with Image.open(tmp_path / "noise.png") as image, ThreadPoolExecutor(6) as pool:
        sent = set(pool.map(lambda _: content(upload("data", image)), range(6)))
    assert len(sent) == 1


def test_a_picture_is_written_by_one_thread_at_a_time() -> None:
    class Meeting:
        """A picture that notices when two threads write it at once."""

        format, mode, met = "PNG", "RGB", False
        barrier = threading.Barrier(2)

        def save(self, file: io.BytesIO, format: str) -> None:
            with suppress(threading.BrokenBarrierError):
                self.barrier.wait(0.2)
                self.met = True
            file.write(PNG)

    image = Meeting()
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: content(upload("data", image)), range(2))) == [PNG, PNG]
    assert not image.met


def test_a_picture_that_is_written_as_nothing_is_refused() -> None:
    class Blank:
        format, mode = None, "RGB"

        def save(self, file: io.BytesIO, format: str) -> None: ...

    refused("data: the image was encoded as zero bytes.", Blank())


def test_no_program_loads_pillow_for_its_files() -> None:
    script = "import sys; from decart.uploads import upload; upload('data', b'x'); print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "False\n"


# tuples


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    return path


@pytest.mark.parametrize("kind", ["bytes", "path", "file"])
def test_a_tuple_gives_a_file_a_name_and_a_type(path: pathlib.Path, kind: str) -> None:
    with path.open("rb") as file:
        given: Any = {"bytes": PNG, "path": path, "file": file}[kind]
        for value, name, content_type in [
            (("lake.jpg", given), "lake.jpg", "image/jpeg"),
            (("lake.jpg", given, None), "lake.jpg", "image/jpeg"),
            (("lake", given, "image/webp"), "lake", "image/webp"),
            (("/photos/lake.jpg", given), "lake.jpg", "image/jpeg"),
            ((None, given), "data" if kind == "bytes" else "a.png", OCTET_STREAM if kind == "bytes" else "image/png"),
            (("lake", given), "lake", OCTET_STREAM if kind == "bytes" else "image/png"),
        ]:
            part = upload("data", value)
            assert (part.filename, part.content_type, content(part)) == (name, content_type, PNG)


def test_a_picture_in_a_tuple_keeps_the_type_of_its_bytes() -> None:
    part = upload("data", ("lake.png", picture()))
    assert (part.filename, part.content_type, pixels(content(part))) == ("lake.png", "image/png", COLOURS)
    part = upload("data", ("lake.jpg", picture()))
    assert (part.filename, part.content_type) == ("lake.jpg", "image/png")


def test_the_copy_of_a_stream_in_a_tuple_lives_as_long_as_its_part() -> None:
    class Stream:
        def read(self, size: int = -1, /) -> bytes:
            return source.read(size)

    source = io.BytesIO(PNG * 100_000)
    part = upload("data", ("lake.png", Stream(), "image/png"))
    assert content(part) == content(part) == PNG * 100_000


@pytest.mark.parametrize(
    "value",
    [(), ("a.png",), ("a.png", PNG, "image/png", {}), ("a.png", ("a.png", PNG))],
    ids=["none", "one", "four", "nested"],
)
def test_a_tuple_of_another_shape_is_refused(value: Any) -> None:
    refused("data: a tuple must be (name, file) or (name, file, type).", value)


@pytest.mark.parametrize("name", ["", "photos/", b"a.png", 5, pathlib.Path("a.png")])
def test_an_invalid_name_is_refused(name: Any) -> None:
    refused("the name in a tuple (name, file) must be the name of a file, or None.", (name, PNG))


@pytest.mark.parametrize("kind", ["png", "", "image/png\r\nX-Evil: 1", b"image/png", 5])
def test_a_type_that_no_header_could_hold_is_refused(kind: Any) -> None:
    refused("the type in a tuple (name, file, type) must be like 'image/png', or None.", ("a.png", PNG, kind))


def test_an_error_of_the_file_in_a_tuple_is_reported_under_its_name(path: pathlib.Path) -> None:
    refused("a str is not a file; pass pathlib.Path(...)", ("a.png", "a.png"))
    refused("expected a file (bytes, pathlib.Path or an open binary file), not NoneType.", ("a.png", None))
    refused("the file is empty (lake.png).", ("lake.png", b""))
    refused("the file cannot be read (lake.png: No such file or directory).", ("lake.png", path.with_name("no.png")))
    part = upload("data", ("lake.png", path))
    path.write_bytes(PNG[:1])
    with pytest.raises(InvalidInputError, match=r"became shorter while it was being sent \(lake.png\)"):
        content(part)
