"""Open videos defensively, and read them one frame at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path

import attrs
import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from PIL import Image

from decart.emulator.render.job import MAX_PIXELS, RenderError
from decart.emulator.render.pictures import refuse_huge

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,h264,hevc"
"""The formats that are accepted. FFmpeg also reads playlists, which open other files and URLs, and still pictures."""

MAX_CLIP_SECONDS = 30
"""Longer videos are cut here."""

MAX_FRAMES = MAX_CLIP_SECONDS * 120
"""Videos with more frames are cut here."""

MAX_DECODE_SECONDS = 120.0
"""The time limit for reading and converting one video."""

MAX_ASPECT = 8
"""The largest ratio of the longer side of a frame to the shorter one."""

MAX_RATE = 240
"""The highest declared frame rate that is believed."""

MIN_COMPLETE = 0.9
"""The fraction of its declared length that a video must really contain."""


@attrs.frozen
class Clip:
    """An open video, whose frames can be read once.

    Attributes:
        name: The name of the file's field in the request.
        stream: The video track.
        first: The first frame.
        rest: The other frames.
        portrait: Whether the frames are displayed taller than wide.
        rate: The average frames per second.
        start: The timestamp of the first frame, in seconds.
        reformatter: Scales all frames; creating one takes longer than using it.
    """

    name: str
    stream: VideoStream
    first: av.VideoFrame
    rest: Iterator[av.VideoFrame]
    portrait: bool
    rate: Fraction
    start: Fraction
    reformatter: VideoReformatter = attrs.field(factory=VideoReformatter)

    def frames(self, size: tuple[int, int]) -> Iterator[tuple[Fraction, Image.Image]]:
        """Yield each frame with the seconds since the first one.

        Args:
            size: The width and height that the frames are cropped and scaled to.

        Raises:
            RenderError: The video is truncated or takes too long to decode.
        """
        second = Fraction(-1)
        for number, frame in enumerate(chain([self.first], self.rest)):
            timestamp = _timestamp(frame, self.start, max(Fraction(0), second + 1 / self.rate))
            if timestamp >= MAX_CLIP_SECONDS or number >= MAX_FRAMES:
                return
            # Of two frames with the same timestamp only one would be visible.
            if timestamp > second:
                second = timestamp
                yield timestamp, self._fit(frame, size)
        self._refuse_cut_off(second + 1 / self.rate)

    def _fit(self, frame: av.VideoFrame, size: tuple[int, int]) -> Image.Image:
        """Return a frame, upright, scaled and cropped to fill a size without distortion."""
        wide, high = _display_size(frame, self.stream)
        scale = max(size[0] / wide, size[1] / high)
        shown = max(size[0], math.ceil(wide * scale)), max(size[1], math.ceil(high * scale))
        turns = _quarter_turns(frame)
        width, height = shown[::-1] if turns % 2 else shown
        scaled = self.reformatter.reformat(frame, width, height, format="rgb24", interpolation="BICUBIC")
        pixels = np.rot90(scaled.to_ndarray(), turns)
        left, top = (shown[0] - size[0]) // 2, (shown[1] - size[1]) // 2
        return Image.fromarray(pixels[top : top + size[1], left : left + size[0]])

    def _refuse_cut_off(self, length: Fraction) -> None:
        """Refuse a file that ends well before its declared length."""
        if self.stream.duration is None or self.stream.time_base is None:
            return
        declared = self.stream.duration * self.stream.time_base
        if length < declared * MIN_COMPLETE:
            actual, expected = f"{float(length):.1f}", f"{float(declared):.1f}"
            raise RenderError(f"{self.name} is cut off: it has {actual} of {expected} seconds")


@contextmanager
def open_clip(path: Path, name: str) -> Iterator[Clip]:
    """Open a video and read its first frame.

    Args:
        path: The file.
        name: The name of the file's field in the request, for error messages.

    Raises:
        RenderError: The file is not a video, or is broken or too large.
    """
    with open_media(path, name) as container:
        # The cover picture of an audio file is a video stream, too.
        streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        if not streams:
            raise RenderError(f"{name} has no video in it, only sound")
        stream = streams[0]
        frames = _decode(container, stream, name)
        first = next(frames, None)
        if first is None:
            raise RenderError(f"{name} is a video without frames")
        wide, high = _display_size(first, stream)
        rate, start = _rate(stream), _timestamp(first, Fraction(0), Fraction(0))
        yield Clip(name, stream, first, frames, high > wide, rate, start)


@contextmanager
def open_media(path: Path, name: str) -> Iterator[InputContainer]:
    """Open a video or audio file.

    Raises:
        RenderError: It is neither.
    """
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    # Opening decodes the first frames already.
    limits = {"max_pixels": str(MAX_PIXELS)}
    try:
        container = av.open(str(path.absolute()), options=limits, container_options=options)
    except (FFmpegError, ValueError) as error:
        raise RenderError(f"{name} is not a video that can be decoded") from error
    with container:
        yield container


def _decode(container: InputContainer, stream: VideoStream, name: str) -> Iterator[av.VideoFrame]:
    """Yield the frames of a video; turn every decoding failure into a ``RenderError``."""
    deadline = time.monotonic() + MAX_DECODE_SECONDS
    try:
        if not stream.codec_context.width or not stream.codec_context.height:
            raise RenderError(f"{name} is a broken video, or has too many pixels")
        refuse_huge(stream.codec_context.width, stream.codec_context.height, name)
        # Later frames may be larger than declared; the decoder refuses those.
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        stream.codec_context.thread_count = 2
        for packet in container.demux(stream):
            if time.monotonic() > deadline:
                raise RenderError(f"{name} takes too long to decode")
            for frame in packet.decode():
                _refuse_narrow(frame, stream, name)
                yield frame
    except (FFmpegError, ValueError, AttributeError) as error:
        # The AttributeError: PyAV has no codec context for an unknown codec.
        raise RenderError(f"{name} is a broken video") from error


def _refuse_narrow(frame: av.VideoFrame, stream: VideoStream, name: str) -> None:
    """Refuse a frame so narrow that it would become huge when it is scaled to fill a common size."""
    refuse_huge(frame.width, frame.height, name)
    short, long = sorted(_display_size(frame, stream))
    if long > MAX_ASPECT * short:
        raise RenderError(f"{name} is too long and narrow ({frame.width}x{frame.height})")


def _timestamp(frame: av.VideoFrame, start: Fraction, otherwise: Fraction) -> Fraction:
    """Return when a frame is displayed, in seconds after ``start``."""
    if frame.pts is None or not frame.time_base:
        return otherwise
    return frame.pts * frame.time_base - start


def _rate(stream: VideoStream) -> Fraction:
    """Return a frame rate that an encoder accepts, whatever the file declares."""
    rate = stream.average_rate
    if not rate or not 1 <= rate <= MAX_RATE:
        return Fraction(25)
    return Fraction(rate.numerator, rate.denominator).limit_denominator(
        1001
    )  # PyAV 19 and later return a type of their own


def _quarter_turns(frame: av.VideoFrame) -> int:
    """Return how many times a frame must be rotated left by 90 degrees."""
    return round(frame.rotation / 90) % 4


def _display_size(frame: av.VideoFrame, stream: VideoStream) -> tuple[Fraction, Fraction]:
    """Return the width and height at which a player displays the frame."""
    wide, high = Fraction(frame.width), Fraction(frame.height)
    if stream.sample_aspect_ratio:
        wide *= stream.sample_aspect_ratio
    return (high, wide) if _quarter_turns(frame) % 2 else (wide, high)
