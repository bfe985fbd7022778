"""What a job can be asked to do: one attrs class per task.

===========================  ==============================================  =======================================
task                         class                                           needs
===========================  ==============================================  =======================================
text-to-video                ``TextToVideoInput``                            ``prompt``
image-to-video               ``ImageToVideoInput``                           ``prompt``, ``data``
video-to-video               ``VideoToVideoInput``                           ``prompt``, ``data``
first-last-frame             ``FirstLastFrameInput``                         ``prompt``, ``start``, ``end``
motion                       ``ImageToMotionVideoInput``                     ``data``, ``trajectory``
video-restyle                ``VideoRestyleInput``                           ``data``, and a prompt or a reference image
video-edit, virtual-try-on   ``VideoEdit2Input``                             ``data``
text-to-image                ``TextToImageInput``                            ``prompt``
image-to-image               ``ImageToImageInput``                           ``prompt``, ``data``
===========================  ==============================================  =======================================

Everything here is checked when the object is made, so a mistake costs one clear sentence and no money. Where the
service declares no bound, there is none here: a prompt may be as long as you like.
"""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import attrs

from .errors import InvalidInputError
from .files import FileInput
from .models import ModelDefinition, Resolution, Task

SEED_MAX = 4_294_967_295
TRAJECTORY_POINTS = (2, 1000)


def refuse(field: str, rule: str, value: object) -> InvalidInputError:
    try:
        shown = reprlib.repr(value)
    except ValueError:  # Python refuses to write out a number of thousands of digits
        shown = "a number far too large"
    return InvalidInputError(f"{field} must be {rule}, not {shown}.")


def is_model(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, ModelDefinition):
        hint = f"models.video({value!r})" if isinstance(value, str) else "models.video('lucy-pro-t2v')"
        raise InvalidInputError(f"model must be a ModelDefinition; write {hint}.")


def _is_text(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise refuse(attribute.name, "a str", value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"{attribute.name} holds half of a character (a lone surrogate).") from None


def _is_prompt(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    _is_text(instance, attribute, value)
    if not str(value).strip():
        raise InvalidInputError(f"{attribute.name} must not be empty.")


def _is_seed(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= SEED_MAX:
        raise refuse(attribute.name, f"an int from 0 to {SEED_MAX}", value)


def _is_bool(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise refuse(attribute.name, "True or False", value)


def _is_orientation(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in ("landscape", "portrait"):
        raise refuse(attribute.name, "'landscape' or 'portrait'", value)


def _is_given(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        raise InvalidInputError(
            f"{attribute.name} is missing: it needs a file (bytes, pathlib.Path or an open binary file)."
        )


def _is_frame(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise refuse("trajectory: frame", "an int of 0 or more", value)


def _is_coordinate(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise refuse(f"trajectory: {attribute.name}", "a number of 0 or more", value)


def _is_long_enough(instance: object, attribute: attrs.Attribute[Any], value: Sequence[object]) -> None:
    least, most = TRAJECTORY_POINTS
    if not least <= len(value) <= most:
        raise InvalidInputError(f"trajectory must have {least} to {most} points, not {len(value)}.")


def _whole(value: Any) -> Any:
    """Turn what is an integer in all but type (numpy's, say) into an int; leave the rest for the validator."""
    try:
        return value if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return value


def _real(value: Any) -> Any:
    """Turn what is a real number in all but type (numpy's, say) into a float; leave the rest for the validator."""
    try:
        return value if isinstance(value, (bool, int, str)) else float(value)
    except (TypeError, ValueError):
        return value


_optional = attrs.validators.optional


_FILE = {"file": True}  # marks, for the wire, a field that holds a file


@attrs.frozen(kw_only=True)
class JobInput:
    """What the inputs of every task share.

    Attributes:
        model: The model that does it.
        seed: The same seed and inputs give the same video; 0 to 4294967295, chosen by the service when not given.
        resolution: ``"720p"`` (the service's default) or, where the model does it, ``"480p"``.

    Raises:
        InvalidInputError: A value is out of its bounds, or the model does not take it.
    """

    model: ModelDefinition = attrs.field(validator=is_model)
    seed: int | None = attrs.field(default=None, converter=_whole, validator=_optional(_is_seed))
    resolution: Resolution | None = None

    def __attrs_post_init__(self) -> None:
        wanted = input_class(self.model)
        if type(self) is not wanted:
            raise InvalidInputError(f"model {self.model.name} takes {wanted.__name__}, not {type(self).__name__}.")
        if self.resolution is not None and self.resolution not in self.model.resolutions:
            choice = " or ".join(map(repr, self.model.resolutions))
            raise refuse("resolution", f"{choice} for {self.model.name}", self.resolution)
        for name in sorted(self.model.lacks):
            if getattr(self, name, None) is not None:
                raise InvalidInputError(f"{name}: {self.model.name} does not take it.")
        self._check()

    @property
    def has_files(self) -> bool:
        """Whether a file goes with the job."""
        files = (field.name for field in attrs.fields(type(self)) if field.metadata.get("file"))
        return any(getattr(self, name) is not None for name in files)

    def _check(self) -> None:
        """Check what concerns more than one field."""


@attrs.frozen(kw_only=True)
class TextToVideoInput(JobInput):
    """A video of five seconds from a text.

    Attributes:
        prompt: What it should show.
        orientation: ``"landscape"`` (the service's default) or ``"portrait"``.
    """

    prompt: str = attrs.field(validator=_is_prompt)
    orientation: Literal["landscape", "portrait"] | None = attrs.field(
        default=None, validator=_optional(_is_orientation)
    )


@attrs.frozen(kw_only=True)
class TextToImageInput(TextToVideoInput):
    """A picture from a text; the same inputs as a video from a text."""


@attrs.frozen(kw_only=True)
class ImageToVideoInput(JobInput):
    """A video of five seconds that begins with a picture.

    Attributes:
        prompt: How it should move.
        data: The picture.
    """

    prompt: str = attrs.field(validator=_is_prompt)
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

    prompt: str = attrs.field(validator=_is_prompt)
    data: FileInput = attrs.field(repr=False, metadata=_FILE, validator=_is_given)
    reference_image: FileInput | None = attrs.field(default=None, repr=False, metadata=_FILE)
    enhance_prompt: bool | None = attrs.field(default=None, validator=_optional(_is_bool))


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

    prompt: str = attrs.field(validator=_is_prompt)
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

    frame: int = attrs.field(converter=_whole, validator=_is_frame)
    x: float = attrs.field(converter=_real, validator=_is_coordinate)
    y: float = attrs.field(converter=_real, validator=_is_coordinate)


TrajectoryPoint = MotionTrajectoryInput | Mapping[str, float]


def _points(value: Iterable[TrajectoryPoint]) -> tuple[MotionTrajectoryInput, ...]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise refuse("trajectory", "a list of points {'frame': 0, 'x': 0.5, 'y': 0.5}", value)
    return tuple(map(_point, value))


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
    prompt: str | None = attrs.field(default=None, validator=_optional(_is_prompt))
    reference_image: FileInput | None = attrs.field(default=None, repr=False, metadata=_FILE)
    enhance_prompt: bool | None = attrs.field(default=None, validator=_optional(_is_bool))

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
    prompt: str | None = attrs.field(default=None, validator=_optional(_is_text))
    reference_image: FileInput | None = attrs.field(default=None, repr=False, metadata=_FILE)
    enhance_prompt: bool | None = attrs.field(default=None, validator=_optional(_is_bool))
    self_anchor: bool | None = attrs.field(default=None, validator=_optional(_is_bool))


_CLASSES: dict[Task, type[JobInput]] = {
    "text-to-video": TextToVideoInput,
    "image-to-video": ImageToVideoInput,
    "video-to-video": VideoToVideoInput,
    "first-last-frame": FirstLastFrameInput,
    "motion": ImageToMotionVideoInput,
    "video-restyle": VideoRestyleInput,
    "video-edit": VideoEdit2Input,
    "virtual-try-on": VideoEdit2Input,
    "text-to-image": TextToImageInput,
    "image-to-image": ImageToImageInput,
}


def input_class(model: ModelDefinition) -> type[JobInput]:
    """Return the class that holds what ``model`` takes.

    Example:
        >>> from decart import models
        >>> input_class(models.video("lucy-pro-t2v")).__name__
        'TextToVideoInput'
    """
    return _CLASSES[model.task]
