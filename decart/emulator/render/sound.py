"""The sound of a video, encoded anew so that any kind fits into an MP4."""

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
"""Samples a second of all sound that is written."""

MIN_RATE = 4_000
"""Fewest samples a second of sound that is read: far fewer would swell a thousandfold as they become 48,000."""

MAX_SOUND_SECONDS = 30.0
"""How long reading and encoding the sound of one video may take."""


def read_sound(path: Path, start: Fraction) -> bytes | None:
    """Return the sound of a video as an M4A file in memory.

    A video is worth having without its sound, so sound that is missing or
    broken is left out rather than an error.

    Args:
        path: The video.
        start: When its first frame is shown; sound before that is cut.
    """
    try:
        with open_media(path, "data") as source:
            return _encoded(source, start) if source.streams.audio else None
    except Exception:
        return None


def _encoded(source: InputContainer, start: Fraction) -> bytes | None:
    """Encode the first sound track; ``None`` if there is nothing in it."""
    file, heard = BytesIO(), False
    with av.open(file, "w", format="ipod") as target:
        track = target.add_stream("aac", rate=RATE, layout="stereo")
        track.bit_rate = 128_000
        for frame in _resampled(source, start):
            heard = True
            target.mux(track.encode(frame))
        target.mux(track.encode(None))
    return file.getvalue() if heard else None


def _resampled(source: InputContainer, start: Fraction) -> Iterator[av.AudioFrame]:
    """Yield the sound from the first frame on, as 48 kHz stereo."""
    resampler = av.AudioResampler("fltp", "stereo", RATE)
    deadline = time.monotonic() + MAX_SOUND_SECONDS
    # None at the end makes the resampler give back what it still holds.
    for frame in chain(source.decode(source.streams.audio[0]), [None]):
        if frame is not None and frame.sample_rate < MIN_RATE:
            raise RenderError(f"sound of {frame.sample_rate} samples a second")
        if time.monotonic() > deadline:
            raise RenderError("sound that takes too long")
        for part in resampler.resample(frame):
            if part.pts is None or part.time_base is None:
                raise RenderError("sound without times")
            second = part.pts * part.time_base - start
            if second >= MAX_CLIP_SECONDS:
                return
            if second >= 0:
                part.pts, part.time_base = round(second * RATE), Fraction(1, RATE)
                yield part
