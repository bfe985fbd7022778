"""The input classes of the tasks that take images or videos; see `decart.inputs`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import attrs

from .errors import InvalidInputError
from .inputs import (
    JobInput,
    TextToImageInput,
    TextToVideoInput,
    is_prompt,
    is_text,
    optional,
    read,
    real,
    refuse,
    whole,
)
from .uploads import FileInput

TRAJECTORY_POINTS = (2, 1000)


def _is_bool(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise refuse(attribute.name, "True or False", value)


def _is_given(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        raise InvalidInputError(f"{attribute.name} is missing: pass bytes, a pathlib.Path or an open binary file.")


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


_FILE = {"file": True}  # marks a field that is uploaded as a file


@attrs.frozen(kw_only=True)
class ImageToVideoInput(JobInput):
    """A five-second video that starts from an image.

    Attributes:
        prompt: How the image moves.
        data: The image.
    """

    tasks = ("image-to-video",)

    prompt: str = attrs.field(validator=is_prompt)
    data: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)


@attrs.frozen(kw_only=True)
class _TransformInput(JobInput):
    prompt: str = attrs.field(validator=is_prompt)
    data: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)
    reference_image: FileInput | None = attrs.field(default=None, repr=False, metadata=_FILE)
    enhance_prompt: bool | None = attrs.field(default=None, validator=optional(_is_bool))


@attrs.frozen(kw_only=True)
class VideoToVideoInput(_TransformInput):
    """A video transformed by a prompt.

    Attributes:
        prompt: What to turn the video into.
        data: The video (MP4).
        reference_image: An image whose look to adopt; at least 100 x 100 pixels.
        enhance_prompt: Let the service elaborate the prompt; True is the service's default.
    """

    tasks = ("video-to-video",)


@attrs.frozen(kw_only=True)
class ImageToImageInput(_TransformInput):
    """An image transformed by a prompt.

    Attributes:
        prompt: What to turn the image into.
        data: The image.
        reference_image: An image whose look to adopt; at least 100 x 100 pixels.
        enhance_prompt: Let the service elaborate the prompt; True is the service's default.
    """

    tasks = ("image-to-image",)


@attrs.frozen(kw_only=True)
class FirstLastFrameInput(JobInput):
    """A five-second video between two images.

    Attributes:
        prompt: How the first image becomes the last.
        start: The first image.
        end: The last image.
    """

    tasks = ("first-last-frame",)

    prompt: str = attrs.field(validator=is_prompt)
    start: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)
    end: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)


@attrs.frozen(kw_only=True)
class MotionTrajectoryInput:
    """One point of a trajectory.

    Attributes:
        frame: The frame number, 0 or more.
        x: The distance from the left edge; 0 or more (0 to 1 according to the service's documentation).
        y: The distance from the top edge, likewise.
    """

    frame: int = attrs.field(converter=whole, validator=_is_frame)
    x: float = attrs.field(converter=real, validator=_is_coordinate)
    y: float = attrs.field(converter=real, validator=_is_coordinate)


TrajectoryPoint = MotionTrajectoryInput | Mapping[str, float]


def _points(value: Iterable[TrajectoryPoint]) -> tuple[MotionTrajectoryInput, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise refuse("trajectory", "a list of points {'frame': 0, 'x': 0.5, 'y': 0.5}", value)
    return read("trajectory", lambda: tuple(map(_point, islice(value, TRAJECTORY_POINTS[1] + 1))))


def _point(value: object) -> MotionTrajectoryInput:
    if isinstance(value, MotionTrajectoryInput):
        return value
    if not isinstance(value, Mapping) or set(value) != {"frame", "x", "y"}:
        raise refuse("trajectory: each point", "{'frame': ..., 'x': ..., 'y': ...}", value)
    return MotionTrajectoryInput(frame=value["frame"], x=value["x"], y=value["y"])


@attrs.frozen(kw_only=True)
class ImageToMotionVideoInput(JobInput):
    """A five-second video in which an image moves along a path.

    Attributes:
        data: The image.
        trajectory: 2 to 1000 points, as ``MotionTrajectoryInput`` or dicts: ``frame``, from 0, and ``x`` and ``y``, the
            distance from the left and top edge, 0 to 1.
    """

    tasks = ("motion",)

    data: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)
    trajectory: Sequence[TrajectoryPoint] = attrs.field(converter=_points, validator=_is_long_enough)


@attrs.frozen(kw_only=True)
class VideoRestyleInput(JobInput):
    """A video in another style, given as exactly one of a prompt or a reference image.

    Attributes:
        data: The video (MP4, WebM or QuickTime).
        prompt: The style in words.
        reference_image: The style as an image; at least 100 x 100 pixels.
        enhance_prompt: Let the service elaborate the prompt; only with a prompt.
    """

    tasks = ("video-restyle",)
    one_of = ("prompt", "reference_image")

    data: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)
    prompt: str | None = attrs.field(default=None, validator=optional(is_prompt))
    reference_image: FileInput | None = attrs.field(default=None, repr=False, metadata=_FILE)
    enhance_prompt: bool | None = attrs.field(default=None, validator=optional(_is_bool))

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if (self.prompt is None) == (self.reference_image is None):
            raise InvalidInputError(f"Pass exactly one of {' and '.join(self.one_of)}.")
        if self.prompt is None and self.enhance_prompt is not None:
            raise InvalidInputError("enhance_prompt requires a prompt; it cannot be used with a reference_image.")


@attrs.frozen(kw_only=True)
class VideoEditInput(JobInput):
    """An edited video, or a virtual try-on.

    Attributes:
        data: The video (MP4).
        prompt: What to change; may be empty, which is the service's default.
        reference_image: What to add, as an image; at least 100 x 100 pixels.
        enhance_prompt: Let the service elaborate the prompt; True is the service's default.
        self_anchor: Let the model anchor on its own first frame, if it can (lucy-2.5); True is the service's default.
    """

    tasks = ("video-edit", "virtual-try-on")

    data: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)
    prompt: str | None = attrs.field(default=None, validator=optional(is_text))
    reference_image: FileInput | None = attrs.field(default=None, repr=False, metadata=_FILE)
    enhance_prompt: bool | None = attrs.field(default=None, validator=optional(_is_bool))
    self_anchor: bool | None = attrs.field(default=None, validator=optional(_is_bool))


VideoInput = (
    TextToVideoInput
    | ImageToVideoInput
    | VideoToVideoInput
    | FirstLastFrameInput
    | ImageToMotionVideoInput
    | VideoRestyleInput
    | VideoEditInput
)
"""The input object of any job of the queue."""

ImageInput = TextToImageInput | ImageToImageInput
"""The input object of ``client.process``."""
