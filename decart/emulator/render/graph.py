"""Filter graphs of libavfilter, which draw everything that moves, and the files that their frames are written to."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from functools import reduce
from itertools import chain
from pathlib import Path

import av
import av.filter
from av.filter.context import FilterContext
from av.video.frame import PictureType
from av.video.reformatter import Colorspace
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from decart.emulator.render.job import MARK, Layout

TICKS = 180_000
"""The time base of all frames, in ticks per second: exact for all common frame rates, including 32."""

SOUND_RATE = 48_000
"""Samples per second of the output."""

AHEAD = 8
"""How many frames are made before the encoder needs them."""

_H264 = {"preset": "ultrafast", "x264-params": "qp=24:cabac=1:deblock=1,0,0:bframes=2:b-adapt=0"}
"""A constant quantizer takes a quarter less time than a constant rate factor, for files of about the same size."""

Node = tuple[FilterContext, int]
"""A filter, and the number of the output to use."""

Parts = list[tuple[Image.Image, tuple[int, int]]]
"""Pictures, each with the position of its top left corner in the frame."""


class MissingFilterError(Exception):
    """This build of libavfilter lacks a filter."""


class Graph:
    """A filter graph of the given filters. One is added as in FFmpeg's documentation: ``"name=options"``."""

    def __init__(self, filters: Collection[str]) -> None:
        self._graph, self._filters = av.filter.Graph(), filters
        self._graph.threads = 1  # the encoder uses the other core
        self._stills: list[tuple[FilterContext, av.VideoFrame]] = []

    def add(self, filter: str, *inputs: Node) -> Node:
        """Add a filter, and return its first output; raise ``MissingFilterError`` if there is no such filter."""
        name, _, options = filter.partition("=")
        if name not in self._filters:
            raise MissingFilterError(name)
        context = self._graph.add(name, options)
        for number, (source, output) in enumerate(inputs):
            source.link_to(context, output, number)
        return context, 0

    def chain(self, node: Node, *filters: str) -> Node:
        """Add filters in a row."""
        return reduce(lambda source, filter: self.add(filter, source), filters, node)

    def split(self, node: Node) -> tuple[Node, Node]:
        """Return two copies of a stream."""
        context, _ = self.add("split", node)
        return (context, 0), (context, 1)

    def source(self, width: int, height: int, format: str) -> Node:
        """Add a source of frames, for ``run``."""
        return self.add(f"buffer=video_size={width}x{height}:pix_fmt={format}:time_base=1/{TICKS}:colorspace=bt709")

    def still(self, picture: Image.Image, fps: int = 0, *filters: str) -> Node:
        """Add a filtered picture as one frame, or as an endless stream if ``fps`` is given; it may be transparent."""
        frame = to_frame(picture, {"L": "gray", "RGBA": "yuva420p"}.get(picture.mode, "yuv420p"))
        node = self.source(frame.width, frame.height, frame.format.name)
        self._stills.append((node[0], frame))
        return self.chain(node, *filters, *(("loop=-1:1", f"setpts=N*{TICKS}/{fps}") if fps else ()))

    def overlay(self, node: Node, other: Node, x: float | str = 0, y: float | str = 0) -> Node:
        """Lay one stream over another; the corner may be given as expressions of ``t``, the time in seconds."""
        return self.add(f"overlay=x='{x}':y='{y}':format=yuv420", node, other)

    def stamp(self, node: Node, parts: Parts) -> Node:
        """Lay pictures over a stream."""
        return reduce(lambda under, part: self.overlay(under, self.still(part[0]), *part[1]), parts, node)

    def run(
        self, end: Node, source: Node | None = None, frames: Iterable[av.VideoFrame] = ()
    ) -> Iterator[av.VideoFrame]:
        """Yield the frames that arrive at a node: endlessly, or one for each frame that is fed into the source."""
        self.add("buffersink", self.add("format=yuv420p", end))
        self._graph.configure()
        for context, still in self._stills:
            context.push(still)
            context.push(None)
        for frame in chain(frames, [None]):
            if source:
                source[0].push(frame)
            with suppress(BlockingIOError, EOFError):
                while done := self._graph.vpull():
                    done.pict_type = PictureType.NONE  # that of the source; the encoder decides anew
                    yield done


def made_ahead(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """Yield frames, the next few of which another thread makes: filters and the encoder then have a core each."""
    executor = ThreadPoolExecutor(1, "decart-frames")
    try:
        coming = deque(executor.submit(next, frames, None) for _ in range(AHEAD))
        while (frame := coming.popleft().result()) is not None:
            coming.append(executor.submit(next, frames, None))
            yield frame
    finally:
        executor.shutdown(cancel_futures=True)


def write_movie(
    target: Path,
    layout: Layout,
    size: tuple[int, int],
    rate: Fraction,
    frames: Iterable[av.VideoFrame],
    sound: Iterable[av.AudioFrame] = (),
) -> None:
    """Write an MP4 file of an even width and height: H.264 in yuv420p, and AAC if there is sound."""
    options = {"movflags": "+faststart"} if layout == "start" else {}
    with av.open(str(target.absolute()), "w", format="mp4", options=options) as file:
        file.metadata["comment"] = MARK
        video, waiting = file.add_stream("libx264", rate=rate, options=_H264), deque(sound)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        context = video.codec_context
        # x264 produces the same bytes on every machine for the same number of threads.
        context.time_base, context.thread_count = Fraction(1, TICKS), 2
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709, or players guess from the size
        audio = file.add_stream("aac", rate=SOUND_RATE, layout="stereo", bit_rate=128_000) if waiting else None
        for frame in chain(frames, [None]):
            while audio and waiting and (frame is None or (waiting[0].time or 0) <= frame.time):
                file.mux(audio.encode(waiting.popleft()))
            for packet in video.encode(frame):
                packet.duration = round(TICKS / rate)  # x264 leaves it out, and the last frame would have none
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
    # In one thread: PyAV keeps its scalers, and a forked child would wait forever for a thread of one.
    frame = frame.reformat(format=format, dst_colorspace=Colorspace.ITU709, threads=1)
    frame.pts, frame.time_base = pts, Fraction(1, TICKS)
    return frame
