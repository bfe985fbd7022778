"""What a job with files can be asked to do: the classes of `decart.inputs` that hold pictures and videos."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import attrs

from .errors import InvalidInputError
from .inputs import JobInput, blaming, is_prompt, is_text, optional, real, refuse, whole
from .uploads.files import FileInput

TRAJECTORY_POINTS = (2, 1000)


def _is_bool(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise refuse(attribute.name, "True or False", value)


def _is_given(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        raise InvalidInputError(
            f"{attribute.name} is missing: it needs a file (bytes, pathlib.Path or an open binary file)."
        )


def _is_frame(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise refuse("trajectory: frame", "an int of 0 or more", value)


def _is_coordinate(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= sys.float_info.max:
        raise refuse(f"trajectory: {attribute.name}", "a number of 0 or more", value)


def _is_long_enough(instance: object, attribute: attrs.Attribute[Any], value: Sequence[object]) -> None:
    least, most = TRAJECTORY_POINTS
    if not least <= len(value) <= most:
        count = len(value) if len(value) <= most else f"{most + 1} or more"
        raise InvalidInputError(f"trajectory must have {least} to {most} points, not {count}.")


_FILE = {"file": True}  # marks, for the wire, a field that holds a file


@attrs.frozen(kw_only=True)
class ImageToVideoInput(JobInput):
    """A video of five seconds that begins with a picture.

    Attributes:
        prompt: How it should move.
        data: The picture.
    """

    prompt: str = attrs.field(validator=is_prompt)
    data: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)


@attrs.frozen(kw_only=True)
class VideoToVideoInput(JobInput):
    """A video made over.

    Attributes:
        prompt: What to make of it.
        data: The video (MP4).
        reference_image: A picture to take the look from; at least 100 x 100 pixels.
        enhance_prompt: Let the service write the prompt out; its default is True.
    """

    prompt: str = attrs.field(validator=is_prompt)
    data: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)
    reference_image: FileInput | None = attrs.field(default=None, repr=False, metadata=_FILE)
    enhance_prompt: bool | None = attrs.field(default=None, validator=optional(_is_bool))


@attrs.frozen(kw_only=True)
class ImageToImageInput(VideoToVideoInput):
    """A picture made over; the same inputs as a video made over."""


@attrs.frozen(kw_only=True)
class FirstLastFrameInput(JobInput):
    """A video of five seconds between two pictures.

    Attributes:
        prompt: How to get from one to the other.
        start: The first picture.
        end: The last picture.
    """

    prompt: str = attrs.field(validator=is_prompt)
    start: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)
    end: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)


@attrs.frozen(kw_only=True)
class MotionTrajectoryInput:
    """One point of a trajectory.

    Attributes:
        frame: The frame number, 0 or more.
        x: Where the point is, from the left; 0 or more, the service's docs say 0 to 1.
        y: The same from the top.
    """

    frame: int = attrs.field(converter=whole, validator=_is_frame)
    x: float = attrs.field(converter=real, validator=_is_coordinate)
    y: float = attrs.field(converter=real, validator=_is_coordinate)


TrajectoryPoint = MotionTrajectoryInput | Mapping[str, float]


def _points(value: Iterable[TrajectoryPoint]) -> tuple[MotionTrajectoryInput, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise refuse("trajectory", "a list of points {'frame': 0, 'x': 0.5, 'y': 0.5}", value)
    with blaming("trajectory"):
        return tuple(map(_point, islice(value, TRAJECTORY_POINTS[1] + 1)))


def _point(value: object) -> MotionTrajectoryInput:
    if isinstance(value, MotionTrajectoryInput):
        return value
    if not isinstance(value, Mapping) or set(value) != {"frame", "x", "y"}:
        raise refuse("trajectory: each point", "{'frame': ..., 'x': ..., 'y': ...}", value)
    return MotionTrajectoryInput(frame=value["frame"], x=value["x"], y=value["y"])


@attrs.frozen(kw_only=True)
class ImageToMotionVideoInput(JobInput):
    """A video of five seconds in which a picture moves along a path.

    Attributes:
        data: The picture.
        trajectory: 2 to 1000 points, as ``MotionTrajectoryInput`` or dicts of ``frame``, ``x``, ``y``.
    """

    data: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)
    trajectory: Sequence[TrajectoryPoint] = attrs.field(converter=_points, validator=_is_long_enough)


@attrs.frozen(kw_only=True)
class VideoRestyleInput(JobInput):
    """A video in another style, told by a prompt or shown by a picture: exactly one of them.

    Attributes:
        data: The video.
        prompt: The style in words.
        reference_image: The style as a picture; at least 100 x 100 pixels.
        enhance_prompt: Let the service write the prompt out; only with a prompt.
    """

    data: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)
    prompt: str | None = attrs.field(default=None, validator=optional(is_prompt))
    reference_image: FileInput | None = attrs.field(default=None, repr=False, metadata=_FILE)
    enhance_prompt: bool | None = attrs.field(default=None, validator=optional(_is_bool))

    def _check(self) -> None:
        if (self.prompt is None) == (self.reference_image is None):
            raise InvalidInputError("prompt or reference_image: give exactly one of them.")
        if self.prompt is None and self.enhance_prompt is not None:
            raise InvalidInputError("enhance_prompt goes with a prompt, not with a reference_image.")


@attrs.frozen(kw_only=True)
class VideoEdit2Input(JobInput):
    """A video edited, or somebody in it dressed anew.

    Attributes:
        data: The video.
        prompt: What to change; may be empty, and is when not given.
        reference_image: What to bring in, as a picture; at least 100 x 100 pixels.
        enhance_prompt: Let the service write the prompt out; its default is True.
        self_anchor: Let the model hold on to its own first frame, where it can (lucy-2.5); its default is True.
    """

    data: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)
    prompt: str | None = attrs.field(default=None, validator=optional(is_text))
    reference_image: FileInput | None = attrs.field(default=None, repr=False, metadata=_FILE)
    enhance_prompt: bool | None = attrs.field(default=None, validator=optional(_is_bool))
    self_anchor: bool | None = attrs.field(default=None, validator=optional(_is_bool))
