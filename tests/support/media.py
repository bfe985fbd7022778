"""Small videos and pictures for tests, and jobs that render quickly."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import av
import numpy as np
import pytest
from numpy.typing import NDArray

from decart.emulator.render import RenderError, RenderJob
from decart.emulator.render.tasks import draw

Pixels = NDArray[np.int16]

EDITS = ("video-to-video", "video-edit", "video-restyle", "virtual-try-on")
SIZE = (96, 64)
SOUND_RATE = 48000


def draw_in_small(job: RenderJob, target: Path) -> None:
    """Render a job as the emulator does, but in 352x192."""
    draw(attrs.evolve(job, width=352, height=192), target)


def job(task: str, **changes: Any) -> RenderJob:
    """Return a job that is small enough to render quickly."""
    usual: dict[str, Any] = {
        "model": "a-model",
        "fps": 10,
        "width": SIZE[0],
        "height": SIZE[1],
        "seconds": 1.0,
        "inputs": {},
    }
    return RenderJob(task=task, **(usual | changes))


def frames_of(path: Path) -> list[Pixels]:
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24").astype(np.int16) for frame in file.decode(video=0)]


def write_video(
    path: Path,
    size: tuple[int, int] = SIZE,
    ticks: tuple[int, ...] = tuple(range(0, 1000, 100)),
    sound: str = "",
    codec: str = "mpeg4",
    pictures: bool = True,
) -> Path:
    """Write a video of a moving bar, with one frame at each time in milliseconds."""
    options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as file:
        track = file.add_stream(codec, rate=10) if pictures else None
        voice = file.add_stream(sound, rate=SOUND_RATE, layout="mono") if sound else None
        if track is not None:
            track.width, track.height, track.pix_fmt = *size, "yuv420p"
            track.codec_context.time_base = Fraction(1, 1000)
            for number, tick in enumerate(ticks):
                pixels = np.full((size[1], size[0], 3), (40, 90, 160), np.uint8)
                pixels[:, number * 5 % size[0] :][:, :12] = (230, 200, 60)
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = tick, Fraction(1, 1000)
                file.mux(track.encode(frame))
            file.mux(track.encode(None))
        if voice is not None:
            wave = (np.sin(np.arange(SOUND_RATE) / 16) * 9000).astype(np.int16)[None]
            tone = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            tone.rate, tone.pts, tone.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
            file.mux(voice.encode(tone))
            file.mux(voice.encode(None))
    return path


def png_that_claims(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 9)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return b"\x89PNG\r\n\x1a\n" + chunks


def fails(tmp_path: Path, task: str, **changes: Any) -> str:
    """Render a job that must fail; return the reason."""
    target = tmp_path / "made"
    with pytest.raises(RenderError) as caught:
        draw(job(task, **changes), target)
    assert not target.exists()
    reason = str(caught.value)
    assert reason
    assert "\n" not in reason
    assert str(tmp_path) not in reason
    return reason
