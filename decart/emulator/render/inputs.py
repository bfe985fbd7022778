"""Open pictures, videos and their sound defensively."""

import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from PIL import Image, ImageOps, UnidentifiedImageError

from decart.emulator.render.graph import SOUND_RATE, TICKS
from decart.emulator.render.job import MAX_PIXELS, MAX_SIDE, RenderError

PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""The formats that are accepted. Pillow also reads one (EPS) for which it runs another program."""

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,h264,hevc"
"""The formats that are accepted. FFmpeg also reads playlists, which open other files and URLs, and still pictures."""

UNTAGGED = 2
"""The colour space of a frame that does not say which one it has, in H.273."""

MAX_CLIP_SECONDS = 30  # longer videos are cut
MAX_FRAMES = MAX_CLIP_SECONDS * 120  # videos with more frames are cut
MAX_ASPECT = 8  # the largest ratio of the longer side of a frame to the shorter one
MIN_RATE, MAX_RATE = Fraction(1, 60), 240  # the declared frame rates that are believed
MIN_COMPLETE = 0.9  # the fraction of its declared length that a video must really contain
MIN_SOUND_RATE = 4_000  # resampling a much lower rate would inflate the sound a thousandfold


def open_picture(path: Path, name: str) -> Image.Image:
    """Read the picture of a field of the request as RGB, rotated upright, with transparent areas on white.

    Raises:
        RenderError: The file is not a picture, or is broken or too large.
    """
    try:
        Image.init()
        with Image.open(path, formats=[kind for kind in PICTURE_FORMATS if kind in Image.OPEN]) as picture:
            _refuse_huge(picture.width, picture.height, name)
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith("I"):  # Pillow would clip 16 bits to 8 instead of scaling them
                upright = upright.convert("I").point(lambda level: level / 256).convert("L")
            if not upright.has_transparency_data:
                return upright.convert("RGB")
            layer = upright.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    except RenderError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise RenderError(f"{name} has too many pixels") from None
    except UnidentifiedImageError:
        raise RenderError(f"{name} is not a picture that can be decoded") from None
    except Exception as error:  # Pillow's decoders raise nearly any type for broken files
        raise RenderError(f"{name} is a broken picture") from error


def _refuse_huge(width: int, height: int, name: str) -> None:
    """Refuse a picture or frame by its declared size, before it is decoded."""
    if width < 1 or height < 1:
        raise RenderError(f"{name} has no pixels")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise RenderError(f"{name} has too many pixels ({width}x{height})")


class Clip:
    """The video ``data``, open, whose frames can be read once.

    Raises:
        RenderError: The file is not a video, or is broken or too large.
    """

    def __init__(self, path: Path) -> None:
        self._container = _open_media(path)
        # The cover picture of an audio file is a video stream, too.
        streams = [s for s in self._container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise RenderError("data has no video in it" + ", only sound" * bool(self._container.streams.audio))
        self._stream = streams[0]
        self._rest = self._decode()
        try:
            self._first = next(self._rest)
        except StopIteration:
            raise RenderError("data is a video without frames") from None
        rate = self._stream.average_rate
        rate = rate if rate and MIN_RATE <= rate <= MAX_RATE else Fraction(25)
        # PyAV 19 and later return a type of their own.
        self.rate = Fraction(rate.numerator, rate.denominator).limit_denominator(1001)
        self.start = _timestamp(self._first) or Fraction(0)  # of the first frame, in seconds
        width, height = self._display_size(self._first)
        self.is_portrait = width < height

    def frames(self, size: tuple[int, int]) -> Iterator[tuple[av.VideoFrame, int]]:
        """Yield each frame, scaled to cover a size, with the quarter turns to the left that it needs.

        Raises:
            RenderError: The video is truncated.
        """
        second, reformatter, length = Fraction(-1), VideoReformatter(), Fraction(0)
        declared = (self._stream.duration or 0) * (self._stream.time_base or 0)  # the length, in seconds
        for number, frame in enumerate(chain([self._first], self._rest)):
            timestamp = _timestamp(frame)
            timestamp = max(Fraction(0), second + 1 / self.rate) if timestamp is None else timestamp - self.start
            if timestamp >= MAX_CLIP_SECONDS or number >= MAX_FRAMES:
                return
            if timestamp > second:  # of two frames with the same timestamp only one would be visible
                second, turns, sides = timestamp, _quarter_turns(frame), self._display_size(frame)
                scale = max(size[0] / sides[0], size[1] / sides[1])
                shown = [max(least, math.ceil(side * scale)) for least, side in zip(size, sides, strict=True)]
                wide, high = shown[::-1] if turns % 2 else shown
                length = second + max(1 / self.rate, frame.duration * (frame.time_base or 0))
                # Players take an untagged frame of high definition for BT.709, too.
                source = Colorspace.ITU709 if frame.colorspace == UNTAGGED and frame.height >= 720 else None
                ranges = frame.color_range, ColorRange.MPEG
                scaled = reformatter.reformat(
                    frame, wide, high, "yuv420p", source, Colorspace.ITU709, "BICUBIC", *ranges
                )
                scaled.pts, scaled.time_base = round(second * TICKS), Fraction(1, TICKS)
                yield scaled, turns
        if length < declared * MIN_COMPLETE:
            raise RenderError(f"data is cut off: it has {float(length):.1f} of {float(declared):.1f} seconds")

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Yield the frames; turn every decoding failure into a ``RenderError``."""
        try:
            context = self._stream.codec_context
            if not context.width or not context.height:
                raise RenderError("data is a broken video, or has too many pixels")
            _refuse_huge(context.width, context.height, "data")
            # Later frames may be larger than declared; the decoder refuses those.
            context.options = {"max_pixels": str(MAX_PIXELS)}
            context.thread_count = 2
            for frame in self._container.decode(self._stream):
                _refuse_huge(frame.width, frame.height, "data")
                short, long = sorted(self._display_size(frame))
                if long > MAX_ASPECT * short:  # it would become huge when it is scaled to fill a common size
                    raise RenderError(f"data is too long and narrow ({frame.width}x{frame.height})")
                yield frame
        except (FFmpegError, ValueError, AttributeError) as error:
            # The AttributeError: PyAV has no codec context for an unknown codec.
            raise RenderError("data is a broken video") from error
        finally:
            self._container.close()

    def _display_size(self, frame: av.VideoFrame) -> tuple[Fraction, Fraction]:
        """Return the width and height at which a player displays the frame."""
        wide, high = frame.width * Fraction(self._stream.sample_aspect_ratio or 1), Fraction(frame.height)
        return (high, wide) if _quarter_turns(frame) % 2 else (wide, high)


def _timestamp(frame: av.VideoFrame) -> Fraction | None:
    """Return when a frame is displayed, in seconds, if that is known."""
    return None if frame.pts is None or not frame.time_base else frame.pts * frame.time_base


def _quarter_turns(frame: av.VideoFrame) -> int:
    """Return how many times a frame must be rotated left by 90 degrees."""
    return round(frame.rotation / 90) % 4


def _open_media(path: Path) -> InputContainer:
    """Open a video or audio file; opening decodes the first frames already."""
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        return av.open(str(path.absolute()), options={"max_pixels": str(MAX_PIXELS)}, container_options=options)
    except (FFmpegError, ValueError) as error:
        raise RenderError("data is not a video that can be decoded") from error


def read_sound(path: Path, start: Fraction) -> list[av.AudioFrame]:
    """Return the sound of a video from a timestamp on, as 48 kHz stereo, at most 12 MB; broken sound is no error."""
    frames: list[av.AudioFrame] = []
    end, resampler = 0, av.AudioResampler("fltp", "stereo", SOUND_RATE)
    with suppress(Exception), _open_media(path) as source:  # a video is useful without its sound
        for frame in chain(source.decode(audio=0), [None]):  # None flushes the resampler
            if frame and frame.sample_rate < MIN_SOUND_RATE:
                return []
            for part in resampler.resample(frame):
                pts = round(((part.pts or 0) * (part.time_base or 0) - start) * SOUND_RATE)
                if pts >= 0:
                    part.pts, part.time_base = max(end, pts), Fraction(1, SOUND_RATE)  # never back in time
                    end = part.pts + part.samples
                    frames.append(part)
                if end >= MAX_CLIP_SECONDS * SOUND_RATE:
                    return frames
        return frames
    return []
