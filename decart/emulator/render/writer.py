"""Write frames, and sound that is already encoded, to an MP4 file."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import Colorspace, VideoReformatter
from PIL import Image

from decart.emulator.render.job import Layout
from decart.emulator.render.mark import MARK

TICKS = 180_000
"""The output time base, in ticks per second: exact for all common frame rates, including 32."""

_BT709 = 1


class ClipWriter:
    """Write an MP4 file: H.264, yuv420p.

    The encoder always uses two threads: x264 produces the same bytes on every machine for the same number of threads.
    """

    def __init__(
        self,
        target: Path,
        size: tuple[int, int],
        rate: Fraction,
        sound: bytes | None = None,
        *,
        layout: Layout = "start",
    ) -> None:
        """Create the file.

        Args:
            target: The file to write.
            size: The width and height, both even.
            rate: The nominal frame rate.
            sound: A complete M4A file, whose track is copied into the video.
            layout: The position of the index; ``"end"`` is the default of the muxer.
        """
        options = {"movflags": "+faststart"} if layout == "start" else {}
        self._container = av.open(str(target.absolute()), "w", format="mp4", options=options)
        self._container.metadata["comment"] = MARK
        self._duration = round(TICKS / rate)
        self._stream = self._container.add_stream("libx264", rate=rate, options={"preset": "superfast", "crf": "23"})
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, TICKS)
        self._stream.codec_context.thread_count = 2
        self._tag_colours()
        # Shared by all frames: creating one takes longer than using it.
        self._reformatter = VideoReformatter()
        self._sound = _SoundTrack(sound, self._container) if sound else None

    def __enter__(self) -> ClipWriter:
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file, unless the block failed."""
        try:
            if kind is None:
                self._finish()
        finally:
            if self._sound:
                self._sound.close()
            self._container.close()

    def write(self, picture: Image.Image, ticks: int) -> None:
        """Add a frame.

        Args:
            picture: An RGB picture of the size of the video.
            ticks: When it is displayed; later than the previous frame.
        """
        frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
        frame = self._reformatter.reformat(frame, format="yuv420p", dst_colorspace=Colorspace.ITU709)
        frame.pts, frame.time_base = ticks, Fraction(1, TICKS)
        self._mux(frame)
        if self._sound:
            self._sound.mux_until(Fraction(ticks, TICKS))

    def _tag_colours(self) -> None:
        """Declare the colour space, or players guess it from the size."""
        context = self._stream.codec_context
        context.colorspace = _BT709
        context.color_primaries = _BT709
        context.color_trc = _BT709

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            # The encoder leaves it out, and then the last frame would have no duration.
            packet.duration = self._duration
            self._container.mux(packet)

    def _finish(self) -> None:
        self._mux(None)
        if self._sound:
            self._sound.mux_until(None)


class _SoundTrack:
    """Copy an encoded track into a file, little by little."""

    def __init__(self, sound: bytes, container: OutputContainer) -> None:
        self._source = av.open(BytesIO(sound), "r")
        track = self._source.streams.audio[0]
        self._container = container
        self._stream = container.add_stream_from_template(track)
        self._packets = self._source.demux(track)

    def mux_until(self, second: Fraction | None) -> None:
        """Copy the packets up to a time in seconds, or all the remaining ones."""
        for packet in self._packets:
            if packet.dts is None:
                continue
            time = packet.dts * packet.time_base
            packet.stream = self._stream
            self._container.mux(packet)
            if second is not None and time >= second:
                return

    def close(self) -> None:
        """Close the encoded track."""
        self._source.close()
