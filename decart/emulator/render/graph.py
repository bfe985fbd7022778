"""Filter graphs of libavfilter, which draw everything that moves.

A filter is given as ``"name=options"``, as in FFmpeg's documentation. Times and frame numbers in its expressions are
``t``, in seconds, and ``n``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from functools import reduce
from itertools import chain

import av
import av.filter
from av.filter.context import FilterContext
from av.video.frame import PictureType
from PIL import Image

from decart.emulator.render.writer import TICKS, to_frame

Node = tuple[FilterContext, int]
"""A filter, and the number of the output to use."""

Parts = list[tuple[Image.Image, tuple[int, int]]]
"""Pictures, each with the position of its top left corner in the frame."""


class MissingFilterError(Exception):
    """This build of libavfilter lacks a filter."""


class Graph:
    """A filter graph.

    Args:
        filters: The names of the filters to use, as in ``av.filter.filters_available``.
        chroma: The resolution of the colours: ``"420"`` for videos, ``"444"`` for exact positions and pictures.
    """

    def __init__(self, filters: Collection[str], chroma: str = "420") -> None:
        self._graph = av.filter.Graph()
        self._graph.threads = 2
        self._filters = filters
        self._chroma = chroma
        self._stills: list[tuple[FilterContext, av.VideoFrame]] = []

    def add(self, filter: str, *inputs: Node) -> Node:
        """Add a filter, and return its first output.

        Raises:
            MissingFilterError: There is no such filter.
        """
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

    def split(self, node: Node, filter: str = "split", count: int = 2) -> list[Node]:
        """Add a filter with several outputs, and return these."""
        context, _ = self.add(filter, node)
        return [(context, number) for number in range(count)]

    def source(self, width: int, height: int, format: str) -> Node:
        """Add a source of frames, for ``run``."""
        options = f"video_size={width}x{height}:pix_fmt={format}:time_base=1/{TICKS}:colorspace=bt709"
        return self._graph.add("buffer", options), 0

    def still(self, picture: Image.Image, fps: int = 0) -> Node:
        """Add a picture, with transparency if it has some, as one frame, or as an endless stream if ``fps`` is given."""
        kinds = {"L": "gray", "RGBA": f"yuva{self._chroma}p"}
        frame = to_frame(picture, kinds.get(picture.mode, f"yuv{self._chroma}p"))
        node = self.source(frame.width, frame.height, frame.format.name)
        self._stills.append((node[0], frame))
        return self.chain(node, "loop=-1:1", f"setpts=N*{TICKS}/{fps}") if fps else node

    def overlay(self, node: Node, other: Node, x: float | str, y: float | str) -> Node:
        """Lay one stream over another; the corner may be given as expressions."""
        return self.add(f"overlay=x='{x}':y='{y}':format=yuv{self._chroma}", node, other)

    def stamp(self, node: Node, parts: Parts) -> Node:
        """Lay pictures over a stream."""
        for picture, (x, y) in parts:
            node = self.overlay(node, self.still(picture), x, y)
        return node

    def run(
        self, end: Node, source: Node | None = None, frames: Iterable[av.VideoFrame] = ()
    ) -> Iterator[av.VideoFrame]:
        """Yield the frames that arrive at a node: endlessly, or one for each frame that is fed into the source."""
        self.add("buffersink", self.add(f"format=yuv{self._chroma}p", end))
        self._graph.configure()
        for buffer, still in self._stills:
            buffer.push(still)
            buffer.push(None)
        for frame in chain(frames, [None]):
            if source:
                source[0].push(frame)
            with suppress(BlockingIOError, av.error.EOFError):
                while True:
                    done = self._graph.vpull()
                    done.pict_type = PictureType.NONE  # of the source; the encoder decides anew
                    yield done
