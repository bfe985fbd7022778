"""Re-encode the sound of a video, so that any format fits into an MP4."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from itertools import chain
from pathlib import Path

import av
from av.container import InputContainer

from decart.emulator.render.clips import MAX_CLIP_SECONDS, open_media
from decart.emulator.render.job import RenderError

RATE = 48_000
"""The output sample rate, in samples per second."""

MIN_RATE = 4_000
"""The lowest sample rate that is accepted: resampling a much lower one would inflate it a thousandfold."""

MAX_SOUND_SECONDS = 30.0
"""The time limit for decoding and encoding the sound of one video."""


def read_sound(path: Path, start: Fraction) -> bytes | None:
    """Return the sound of a video as an M4A file in memory.

    Missing or broken sound is not an error, since a video is useful without its sound.

    Args:
        path: The video.
        start: The timestamp of its first frame; sound before that is cut.

    Returns:
        The sound, or ``None`` if there is none or it is broken.
    """
    try:
        with open_media(path, "data") as source:
            return _encode(source, start) if source.streams.audio else None
    except Exception:
        return None


def _encode(source: InputContainer, start: Fraction) -> bytes | None:
    """Encode the first sound track; return ``None`` if it is empty."""
    file, has_sound = BytesIO(), False
    with av.open(file, "w", format="ipod") as target:
        track = target.add_stream("aac", rate=RATE, layout="stereo")
        track.bit_rate = 128_000
        for frame in _resample(source, start):
            has_sound = True
            target.mux(track.encode(frame))
        target.mux(track.encode(None))
    return file.getvalue() if has_sound else None


def _resample(source: InputContainer, start: Fraction) -> Iterator[av.AudioFrame]:
    """Yield the sound from the first video frame on, as 48 kHz stereo."""
    resampler = av.AudioResampler("fltp", "stereo", RATE)
    deadline = time.monotonic() + MAX_SOUND_SECONDS
    # None at the end flushes the resampler.
    for frame in chain(source.decode(source.streams.audio[0]), [None]):
        if frame is not None and frame.sample_rate < MIN_RATE:
            raise RenderError(f"the sound has only {frame.sample_rate} samples per second")
        if time.monotonic() > deadline:
            raise RenderError("the sound takes too long to encode")
        for part in resampler.resample(frame):
            if part.pts is None or part.time_base is None:
                raise RenderError("the sound has no timestamps")
            second = part.pts * part.time_base - start
            if second >= MAX_CLIP_SECONDS:
                return
            if second >= 0:
                part.pts, part.time_base = round(second * RATE), Fraction(1, RATE)
                yield part
