"""Malicious or broken media: a job fails with a reason, or makes a video nevertheless."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from support.media import (
    EDITS,
    SIZE,
    SOUND_RATE,
    fails,
    frames_of,
    job,
    png_that_claims,
    write_video,
)

from decart.emulator.render import IsolatedRenderer, RenderError
from decart.emulator.render.inputs import MAX_FRAMES
from decart.emulator.render.tasks import draw

PICTURES = ("image-to-video", "motion", "image-to-image")
NOT_MEDIA = {
    "empty": b"",
    "text": b"just words\n" * 50,
    "html": b"<!doctype html><html><body><video src='/etc/passwd'></video></body></html>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><image href='file:///etc/passwd'/></svg>",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run showpage\n%%EOF\n",
    "pdf": b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF",
    "json": b'{"data": [1, 2, 3]}',
    "zip": b"PK\x03\x04" + bytes(60),
    "program": b"\x7fELF\x02\x01\x01" + bytes(64),
    "zeros": bytes(4096),
}
BROKEN_PICTURES = {
    "jpeg head": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01",
    "gif head": b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x08\x01",
    "webp head": b"RIFF\xff\xff\xff\x7fWEBPVP8 \xff\xff\xff\x7f",
    "bmp of no size": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 0, 0, 1, 24, 0, 0, 0, 0, 0, 0),
    "bmp of negative size": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, -9, -9, 1, 24, 0, 0, 0, 0, 0, 0),
    "tiff that loops": b"II*\0" + struct.pack("<IHHHIII", 8, 1, 256, 3, 1, 9, 8),
}

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="what a process used is read from /proc")


def put(tmp_path: Path, raw: bytes) -> dict[str, Path]:
    (tmp_path / "data").write_bytes(raw)
    return {"data": tmp_path / "data"}


# --- not media ----------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["video-edit", *PICTURES])
@pytest.mark.parametrize("kind", NOT_MEDIA)
def test_an_input_that_is_not_media_fails_with_a_reason(task: str, kind: str, tmp_path: Path) -> None:
    what = "video" if task in EDITS else "picture"
    assert fails(tmp_path, task, inputs=put(tmp_path, NOT_MEDIA[kind])) == f"data is not a {what} that can be decoded"


@pytest.mark.parametrize("kind", BROKEN_PICTURES)
def test_a_picture_without_content_fails_with_a_reason(kind: str, tmp_path: Path) -> None:
    assert fails(tmp_path, "image-to-image", inputs=put(tmp_path, BROKEN_PICTURES[kind])).startswith("data ")


@pytest.mark.parametrize("path", ["a folder", "/dev/zero", "nowhere"])
def test_an_input_that_does_not_exist_is_missing(path: str, tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    for task in ("video-edit", "image-to-image"):
        assert fails(tmp_path, task, inputs={"data": tmp_path / path}) == "data is missing"


PLAY_LISTS = {
    "concat": "ffconcat version 1.0\nfile '{secret}'\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
    "hls by address": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1" bandwidth="1"><BaseURL>{secret}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "image list": "{secret}\n{secret}\n",
}


@pytest.mark.parametrize("name", ["data", "data.m3u8", "data.mpd", "data.ffconcat", "data.sdp", "data.mp4", "%03d.png"])
@pytest.mark.parametrize("kind", PLAY_LISTS)
def test_a_playlist_opens_no_other_file(kind: str, name: str, tmp_path: Path) -> None:
    secret = write_video(tmp_path / "secret.mp4")
    (tmp_path / name).write_text(PLAY_LISTS[kind].format(secret=secret))
    assert fails(tmp_path, "video-edit", inputs={"data": tmp_path / name})


@pytest.mark.parametrize("name", ["concat:secret.mp4", "secret.mp4|secret.mp4", "pipe:0", "-i", "%d.mp4", "http:x"])
def test_the_name_of_a_file_is_ignored(name: str, tmp_path: Path) -> None:
    write_video(tmp_path / "plain.mp4").rename(tmp_path / name)
    draw(job("video-edit", inputs={"data": tmp_path / name}), tmp_path / "made")
    assert len(frames_of(tmp_path / "made")) == 10


# --- pictures -----------------------------------------------------------------------------


@pytest.mark.parametrize("claim", [(60_000, 60_000), (2**31 - 1, 1), (1, 2**31 - 1), (0, 0), (8192, 8192)])
@pytest.mark.parametrize("task", PICTURES)
def test_a_png_is_refused_by_the_size_in_its_header(claim: tuple[int, int], task: str, tmp_path: Path) -> None:
    assert fails(tmp_path, task, inputs=put(tmp_path, png_that_claims(*claim))).startswith("data ")


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_only_the_first_frame_of_an_animated_picture_is_decoded(format: str, tmp_path: Path) -> None:
    first = Image.new("RGB", SIZE, "red")
    others = [Image.new("RGB", SIZE, (0, shade % 256, shade // 256)) for shade in range(400)]
    raw = saved(first, format, save_all=True, append_images=others, **({"lossless": True} if format == "WEBP" else {}))
    draw(job("image-to-image", prompt="warm", inputs=put(tmp_path, raw)), tmp_path / "made")
    red, green, blue = Image.open(tmp_path / "made").getpixel((48, 50))
    assert red > 200 > 50 > max(green, blue)


def text_bomb() -> bytes:
    """A PNG with a comment of 60 MB in 60 kB."""
    info = PngImagePlugin.PngInfo()
    info.add(b"zTXt", b"c\0\0" + zlib.compress(bytes(60_000_000), 9))
    return saved(Image.new("RGB", SIZE), "PNG", pnginfo=info)


def deep_exif() -> bytes:
    """A JPEG whose EXIF directories point to each other."""
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    turned = struct.pack("<HHII", 0x0112, 3, 1, 6)
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + struct.pack("<H", 2) + turned + entry + struct.pack("<I", 8)
    return saved(Image.new("RGB", SIZE, "red"), "JPEG", exif=exif)


def strange_orientation() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 999
    return saved(Image.new("RGB", SIZE), "JPEG", exif=exif)


def sixteen_bits() -> bytes:
    return saved(Image.fromarray(np.linspace(0, 65535, 96 * 64).reshape(64, 96).astype(np.uint16)), "PNG")


STRANGE_PICTURES: dict[str, Callable[[], bytes]] = {
    "deep EXIF": deep_exif,
    "an orientation that does not exist": strange_orientation,
    "16 bits": sixteen_bits,
    "one pixel": lambda: saved(Image.new("RGB", (1, 1)), "PNG"),
    "a line": lambda: saved(Image.new("RGB", (8192, 1)), "PNG"),
    "a column": lambda: saved(Image.new("RGB", (1, 8192)), "PNG"),
    "odd size": lambda: saved(Image.new("RGB", (33, 77)), "PNG"),
    "CMYK": lambda: saved(Image.new("CMYK", SIZE), "JPEG"),
    "alpha": lambda: saved(Image.new("RGBA", SIZE, (9, 9, 9, 0)), "PNG"),
    "palette with alpha": lambda: saved(Image.new("P", SIZE), "PNG", transparency=0),
    "floats": lambda: saved(Image.new("F", SIZE, 1e30), "TIFF"),
    "Lab": lambda: saved(Image.new("LAB", SIZE), "TIFF"),
    "a comment too long": text_bomb,
}


@pytest.mark.parametrize("kind", STRANGE_PICTURES)
@pytest.mark.parametrize("task", ["image-to-video", "first-last-frame"])
def test_a_strange_picture_becomes_a_video_or_fails_with_a_reason(kind: str, task: str, tmp_path: Path) -> None:
    files = put(tmp_path, STRANGE_PICTURES[kind]())
    try:
        draw(job(task, inputs=files | {"start": files["data"], "end": files["data"]}), tmp_path / "made")
    except RenderError as refused:
        assert str(refused).startswith(("data ", "start "))
    else:
        assert len(frames_of(tmp_path / "made")) == 10


# --- videos -------------------------------------------------------------------------------


def patched(tmp_path: Path, box: bytes, offset: int, layout: str, *values: int) -> dict[str, Path]:
    """An MP4 with other values at an offset in its first box of a kind."""
    source = write_video(tmp_path / "source.mp4", codec="h264")
    raw = bytearray(source.read_bytes())
    struct.pack_into(layout, raw, raw.index(box) + 4 + offset, *values)
    return put(tmp_path, bytes(raw))


LIES: dict[str, tuple[bytes, int, str, tuple[int, ...]]] = {
    "huge size": (b"avc1", 24, ">HH", (65535, 65535)),
    "no size": (b"avc1", 24, ">HH", (0, 0)),
    "endless": (b"mdhd", 16, ">I", (0xFFFFFFFE,)),
    "clock that stands still": (b"mdhd", 12, ">I", (0,)),
    "clock that races": (b"mdhd", 12, ">I", (0xFFFFFFFF,)),
    "film clock that stands still": (b"mvhd", 12, ">I", (0,)),
    "two thousand million frames": (b"stsz", 8, ">I", (0x7FFFFFFF,)),
    "two thousand million frames of a byte": (b"stsz", 4, ">II", (1, 0x7FFFFFFF)),
    "frames without end": (b"stts", 4, ">III", (1, 0x7FFFFFFF, 1)),
    "all frames at once": (b"stts", 4, ">III", (1, 10, 0)),
    "time that runs backwards": (b"stts", 4, ">III", (1, 10, 0xFFFFFF00)),
    "frames outside the file": (b"stco", 8, ">I", (0x7FFFFFFF,)),
    "box longer than the file": (b"moov", -8, ">I", (0x7FFFFFFF,)),
    "box inside itself": (b"trak", -8, ">I", (0,)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_video_with_false_headers_becomes_a_video_or_fails_with_a_reason(lie: str, tmp_path: Path) -> None:
    box, offset, layout, values = LIES[lie]
    files = patched(tmp_path, box, offset, layout, *values)
    try:
        draw(job("video-edit", inputs=files), tmp_path / "made")
    except RenderError as refused:
        assert str(refused).startswith("data ")
    else:
        assert 1 <= len(frames_of(tmp_path / "made")) <= 10


def test_a_damaged_video_becomes_a_video_or_fails_with_a_reason(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "source.mp4", codec="h264", sound="aac").read_bytes()
    random = np.random.default_rng(3)
    for _ in range(60):
        raw = bytearray(whole)
        for place in random.integers(0, len(raw), 12):
            raw[place] = random.integers(0, 256)
        try:
            draw(job("video-edit", inputs=put(tmp_path, bytes(raw))), tmp_path / "made")
        except RenderError as refused:
            assert str(refused).startswith("data ")


def test_frames_of_other_sizes_are_fitted(tmp_path: Path) -> None:
    raw = b"".join(write_video(tmp_path / "a.h264", codec="h264", size=size).read_bytes() for size in (SIZE, (320, 64)))
    draw(job("video-edit", inputs=put(tmp_path, raw)), tmp_path / "made")
    frames = frames_of(tmp_path / "made")
    assert len(frames) > 10
    assert {frame.shape[:2] for frame in frames} == {(SIZE[1], SIZE[0])}


def test_negative_times_start_at_zero(tmp_path: Path) -> None:
    source = write_video(tmp_path / "data.mkv", ticks=tuple(range(-500, 500, 100)))
    draw(job("video-edit", inputs={"data": source}), tmp_path / "made")
    assert len(frames_of(tmp_path / "made")) == 10


def test_a_video_of_one_frame_without_a_rate_is_accepted(tmp_path: Path) -> None:
    source = write_video(tmp_path / "data.mkv", ticks=(0,))
    draw(job("video-edit", inputs={"data": source}), tmp_path / "made")
    assert len(frames_of(tmp_path / "made")) == 1


def test_a_video_of_very_many_frames_is_shortened(tmp_path: Path) -> None:
    ticks = tuple(range(MAX_FRAMES + 200))
    source = write_video(tmp_path / "data.mkv", ticks=ticks, size=(16, 16), codec="mpeg4")
    draw(job("video-edit", width=16, height=16, inputs={"data": source}), tmp_path / "made")
    with av.open(str(tmp_path / "made")) as made:
        assert sum(1 for _ in made.decode(video=0)) <= MAX_FRAMES


def test_the_cover_picture_of_a_song_is_not_a_video(tmp_path: Path) -> None:
    cover = saved(Image.new("RGB", SIZE, "red"), "PNG")
    with av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as file:
        voice = file.add_stream("aac", rate=SOUND_RATE, layout="mono")
        picture = file.add_stream("png")
        picture.width, picture.height, picture.pix_fmt = *SIZE, "rgb24"
        picture.disposition = av.stream.Disposition.attached_pic.value
        packet = av.Packet(cover)
        packet.stream, packet.pts, packet.dts, packet.time_base = picture, 0, 0, Fraction(1, 1000)
        file.start_encoding()
        file.mux(packet)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, SOUND_RATE), np.int16), format="s16", layout="mono")
        silence.rate, silence.pts, silence.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
        file.mux(voice.encode(silence))
        file.mux(voice.encode(None))
    files = {"data": tmp_path / "song.m4a"}
    assert fails(tmp_path, "video-edit", inputs=files) == "data has no video in it, only sound"


def with_sound(path: Path, rate: int, start: int = 0, count: int = 2048) -> Path:
    """A one-second video whose raw sound has a strange rate."""
    with av.open(str(path), "w") as file:
        track = file.add_stream("mpeg4", rate=10)
        track.width, track.height, track.pix_fmt = *SIZE, "yuv420p"
        voice = file.add_stream("pcm_s16le", rate=rate, layout="mono")
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            file.mux(track.encode(frame))
        file.mux(track.encode(None))
        tone = av.AudioFrame.from_ndarray(np.ones((1, count), np.int16), format="s16", layout="mono")
        tone.rate, tone.pts, tone.time_base = rate, start, Fraction(1, rate)
        file.mux(voice.encode(tone))
        file.mux(voice.encode(None))
    return path


@pytest.mark.parametrize("rate", [1, 50, 384_000])
def test_sound_of_a_strange_rate_does_not_spoil_the_video(rate: int, tmp_path: Path) -> None:
    source = with_sound(tmp_path / "data.avi", rate)
    draw(job("video-edit", inputs={"data": source}), tmp_path / "made")
    assert len(frames_of(tmp_path / "made")) == 10


# --- memory -------------------------------------------------------------------------------


def weighed(tmp_path: Path, task: str, raw: bytes, **limits: Any) -> tuple[int, str]:
    """Render in a separate process; return its peak memory in MB, and why the job failed if it did."""
    target = tmp_path / "weight"
    IsolatedRenderer(function="support.renderers:report_memory", **limits)(job(task, inputs=put(tmp_path, raw)), target)
    most, reason = target.read_text("utf-8").split("\n", 1)
    return int(most), reason


def video_of_packets(path: Path, packet: bytes) -> bytes:
    """A video whose only frame is a packet of PNG that was never encoded."""
    with av.open(str(path), "w") as file:
        track = file.add_stream("png", rate=10)
        track.width, track.height, track.pix_fmt = 32, 32, "rgb24"
        file.start_encoding()
        frame = av.Packet(packet)
        frame.stream, frame.pts, frame.dts, frame.time_base, frame.is_keyframe = track, 0, 0, Fraction(1, 10), True
        file.mux(frame)
    return path.read_bytes()


@on_linux
@pytest.mark.parametrize("suffix", ["avi", "mov"])
def test_a_video_whose_frames_claim_to_be_huge_takes_no_memory(suffix: str, tmp_path: Path) -> None:
    usual, _ = weighed(tmp_path, "video-edit", write_video(tmp_path / "usual.mp4").read_bytes())
    bomb = video_of_packets(tmp_path / f"bomb.{suffix}", png_that_claims(9000, 9000))
    most, reason = weighed(tmp_path, "video-edit", bomb)
    assert reason == "data is a broken video, or has too many pixels"
    assert most < usual + 40


@on_linux
def test_a_webp_of_34_bytes_that_claims_to_be_huge_takes_no_memory(tmp_path: Path) -> None:
    # a lossless picture of 16383 pixels a side in one colour
    bits = 0x2F | 16382 << 8 | 16382 << 22
    body = struct.pack("<Q", bits)[:5] + bytes.fromhex("8888080000")
    raw = b"RIFF" + struct.pack("<I", len(body) + 12) + b"WEBPVP8L" + struct.pack("<I", len(body)) + body
    most, reason = weighed(tmp_path, "image-to-image", raw)
    assert reason in ("data has too many pixels", "data is a broken picture")  # an older Pillow looks no further
    assert most < 150


@on_linux
def test_a_video_with_an_index_of_thirty_million_frames_fails_within_its_memory(tmp_path: Path) -> None:
    files = patched(tmp_path, b"stts", 4, ">III", 1, 30_000_000, 1)
    raw = bytearray(files["data"].read_bytes())
    struct.pack_into(">II", raw, raw.index(b"stsz") + 8, 1, 30_000_000)
    struct.pack_into(">IIII", raw, raw.index(b"stsc") + 8, 1, 1, 30_000_000, 1)
    most, reason = weighed(tmp_path, "video-edit", bytes(raw), memory=700 * 1024**2)
    assert reason.startswith("data ")
    assert most < 700
