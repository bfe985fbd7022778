"""Write pictures, and frames with sound, to files that bear the mark of a placeholder."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import attrs
import av
from av.video.reformatter import Colorspace
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from decart.emulator.render.job import MARK, Layout

TICKS = 180_000
"""The time base of all frames, in ticks per second: exact for all common frame rates, including 32."""

_H264 = {"preset": "ultrafast", "crf": "24", "x264-params": "cabac=1:deblock=1,0,0:bframes=2:b-adapt=0"}
"""Half the time of the preset superfast, for files of about the same size."""

_BT709 = 1


@attrs.frozen
class Movie:
    """What goes into a file.

    Attributes:
        size: The width and height, both even.
        rate: The nominal frame rate.
        frames: The frames, in the time base of ``TICKS``.
        sound: The sound.
    """

    size: tuple[int, int]
    rate: Fraction
    frames: Iterable[av.VideoFrame]
    sound: Iterable[av.AudioFrame] = ()


def write_movie(movie: Movie, target: Path, layout: Layout) -> None:
    """Write an MP4 file: H.264 in yuv420p, and AAC if there is sound.

    The encoder always uses two threads: x264 produces the same bytes on every machine for the same number of threads.

    Args:
        movie: What to write.
        target: The file.
        layout: The position of the index; ``"end"`` is the default of the muxer.
    """
    options = {"movflags": "+faststart"} if layout == "start" else {}
    with av.open(str(target.absolute()), "w", format="mp4", options=options) as file:
        file.metadata["comment"] = MARK
        video = file.add_stream("libx264", rate=movie.rate, options=_H264)
        video.width, video.height, video.pix_fmt = *movie.size, "yuv420p"
        video.codec_context.time_base, video.codec_context.thread_count = Fraction(1, TICKS), 2
        # Declared, or players guess it from the size.
        video.codec_context.colorspace = video.codec_context.color_primaries = video.codec_context.color_trc = _BT709
        sound = deque(movie.sound)
        audio = file.add_stream("aac", rate=48_000, layout="stereo", bit_rate=128_000) if sound else None
        for frame in chain(movie.frames, [None]):
            while audio and sound and (frame is None or sound[0].time <= frame.time):
                file.mux(audio.encode(sound.popleft()))
            for packet in video.encode(frame):
                packet.duration = round(TICKS / movie.rate)  # x264 leaves it out, and the last frame would have none
                file.mux(packet)
        if audio:
            file.mux(audio.encode(None))


def save_png(picture: Image.Image, target: Path) -> None:
    """Save a picture."""
    comment = PngInfo()
    comment.add_text("Comment", MARK)
    picture.save(target, format="PNG", pnginfo=comment)


def to_frame(picture: Image.Image, format: str, pts: int = 0) -> av.VideoFrame:
    """Convert a picture to a frame of a pixel format, to be shown at a time in ``TICKS``."""
    frame = av.VideoFrame.from_bytes(picture.convert("RGBA").tobytes(), *picture.size)
    frame = frame.reformat(format=format, dst_colorspace=Colorspace.ITU709)
    frame.pts, frame.time_base = pts, Fraction(1, TICKS)
    return frame
