"""The options of a job as a dict, as on the documented page: one ``TypedDict`` for each input class.

Type checkers check a dict literal against the task of its model. In place, as an argument, they report the dict; if it
is declared first, as in ``options: ImageToVideoOptions = {...}``, the message names the wrong or missing key. At run
time, ``from_options`` checks the same and more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast, get_args

import attrs

from .errors import InvalidInputError
from .inputs import (
    JobInput,
    TextToImageInput,
    TextToVideoInput,
    not_a_model,
    read,
    refuse,
    shown,
)
from .jobs import JobStatusResponse
from .models import ModelDefinition, Resolution, makes

if TYPE_CHECKING:
    from typing import Required

    from .file_inputs import TrajectoryPoint
    from .uploads import FileInput

OnStatusChange = Callable[[JobStatusResponse], object]


class CommonOptions(TypedDict, total=False):
    """The options of every task; the task's input class describes each of them."""

    seed: int | None
    resolution: Resolution | None


class CommonJobOptions(CommonOptions, total=False):
    """The options of every job."""

    on_status_change: OnStatusChange | None


class TextToVideoOptions(CommonJobOptions, total=False):
    """The options of a text-to-video model; see ``TextToVideoInput``."""

    model: Required[ModelDefinition[Literal["text-to-video"]]]
    prompt: Required[str]
    orientation: Literal["landscape", "portrait"] | None


class ImageToVideoOptions(CommonJobOptions, total=False):
    """The options of an image-to-video model; see ``ImageToVideoInput``."""

    model: Required[ModelDefinition[Literal["image-to-video"]]]
    prompt: Required[str]
    data: Required[FileInput]


class VideoToVideoOptions(CommonJobOptions, total=False):
    """The options of a video-to-video model; see ``VideoToVideoInput``."""

    model: Required[ModelDefinition[Literal["video-to-video"]]]
    prompt: Required[str]
    data: Required[FileInput]
    reference_image: FileInput | None
    enhance_prompt: bool | None


class FirstLastFrameOptions(CommonJobOptions, total=False):
    """The options of a first-last-frame model; see ``FirstLastFrameInput``."""

    model: Required[ModelDefinition[Literal["first-last-frame"]]]
    prompt: Required[str]
    start: Required[FileInput]
    end: Required[FileInput]


class ImageToMotionVideoOptions(CommonJobOptions, total=False):
    """The options of a motion model; see ``ImageToMotionVideoInput``."""

    model: Required[ModelDefinition[Literal["motion"]]]
    data: Required[FileInput]
    trajectory: Required[Sequence[TrajectoryPoint]]


class VideoRestyleOptions(CommonJobOptions, total=False):
    """The options of a video-restyle model; see ``VideoRestyleInput``."""

    model: Required[ModelDefinition[Literal["video-restyle"]]]
    data: Required[FileInput]
    prompt: str | None
    reference_image: FileInput | None
    enhance_prompt: bool | None


class VideoEditOptions(CommonJobOptions, total=False):
    """The options of a video-edit or virtual-try-on model; see ``VideoEditInput``."""

    model: Required[ModelDefinition[Literal["video-edit", "virtual-try-on"]]]
    data: Required[FileInput]
    prompt: str | None
    reference_image: FileInput | None
    enhance_prompt: bool | None
    self_anchor: bool | None


class TextToImageOptions(CommonOptions, total=False):
    """The options of a text-to-image model; see ``TextToImageInput``."""

    model: Required[ModelDefinition[Literal["text-to-image"]]]
    prompt: Required[str]
    orientation: Literal["landscape", "portrait"] | None


class ImageToImageOptions(CommonOptions, total=False):
    """The options of an image-to-image model; see ``ImageToImageInput``."""

    model: Required[ModelDefinition[Literal["image-to-image"]]]
    prompt: Required[str]
    data: Required[FileInput]
    reference_image: FileInput | None
    enhance_prompt: bool | None


JobOptions = (
    TextToVideoOptions
    | ImageToVideoOptions
    | VideoToVideoOptions
    | FirstLastFrameOptions
    | ImageToMotionVideoOptions
    | VideoRestyleOptions
    | VideoEditOptions
)
"""The options of any job of the queue."""

ImageOptions = TextToImageOptions | ImageToImageOptions
"""The options of ``client.process``."""

_CALLS = {"video": "client.queue.submit_and_poll", "image": "client.process"}
_KEYWORDS = {"video": {"poll", "cancel", "save_to", "progress"}, "image": {"cancel", "save_to", "progress"}}


def from_options(
    options: JobOptions | ImageOptions | JobInput, expected: Literal["video", "image"] | None = None
) -> JobInput:
    """Check a dict of options and return it as an input object; return an input object unchanged.

    The dict is not modified.

    Args:
        expected: What the model must make.

    Raises:
        InvalidInputError: An option is unknown, missing, of the wrong type, or not accepted by this model, or the model
            makes something else.
    """
    given: dict[str, Any]
    if isinstance(options, JobInput):
        given = {"model": options.model}
    elif isinstance(options, Mapping):
        given = read("options", dict, options)  # read once: the caller's mapping may be of any kind
    else:
        raise refuse("options", "a dict or one of the input classes", options)
    model = given.get("model")
    if not isinstance(model, ModelDefinition):
        raise not_a_model(model, expected)
    made = makes(model)
    if expected is not None and made != expected:
        article = "an image" if made == "image" else "a video"
        raise InvalidInputError(f"{model.name} makes {article}; write {_CALLS[made]}(...). Nothing was sent.")
    if isinstance(options, JobInput):
        return options
    kind = input_class(model)
    fields = attrs.fields_dict(kind)
    for key in given:
        if key not in fields and (key != "on_status_change" or made == "image"):
            raise _unknown(key, model, list(fields))
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if given.get(name) is not None:
            values[name] = given[name]
        elif field.default is attrs.NOTHING:
            types = " (bytes, pathlib.Path or an open binary file)" if field.metadata.get("file") else ""
            raise InvalidInputError(f"{name} is missing: {model.name} requires it{types}.")
    return kind(**values)


def input_class(model: ModelDefinition) -> type[JobInput]:
    """Return the class of the inputs that ``model`` takes.

    Example:
        >>> from decart import models
        >>> input_class(models.video("lucy-pro-t2v")).__name__
        'TextToVideoInput'
    """
    if model.task in TextToVideoInput.tasks:
        return TextToVideoInput
    if model.task in TextToImageInput.tasks:
        return TextToImageInput
    from . import (
        file_inputs,  # takes longer to import than all the rest, and jobs without files do not need it
    )

    kinds = (
        file_inputs.ImageToVideoInput,
        file_inputs.VideoToVideoInput,
        file_inputs.FirstLastFrameInput,
        file_inputs.ImageToMotionVideoInput,
        file_inputs.VideoRestyleInput,
        file_inputs.VideoEditInput,
        file_inputs.ImageToImageInput,
    )
    return next(kind for kind in kinds if model.task in kind.tasks)


def _unknown(key: object, model: ModelDefinition, fields: list[str]) -> InvalidInputError:
    """Return the error for a key that is not an option of the model."""
    accepted = [name for name in fields if name != "model" and name not in model.lacks]
    made = makes(model)
    if isinstance(key, str) and (key in _KEYWORDS[made] or key in ("retry", "timeout")):
        where = f"{_CALLS[made]}(options, {key}=...)" if key in _KEYWORDS[made] else f"DecartClient({key}=...)"
        return InvalidInputError(f"{key} is a keyword argument, not an option; write {where}.")
    if any(key in task.__annotations__ for task in get_args(JobOptions | ImageOptions)):
        return InvalidInputError(f"{model.name} does not accept {key}; it accepts {', '.join(accepted)}.")
    import difflib  # slow to load, and needed for mistakes only

    text = read("options", str, key)[:100]
    near = difflib.get_close_matches(text.lower(), [*accepted, *({"on_status_change"} if made == "video" else ())], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it accepts {', '.join(accepted)}."
    return InvalidInputError(f"{shown(key)} is not an option of {model.name}; {hint}")


def callback_of(options: JobOptions | JobInput, keyword: OnStatusChange | None) -> OnStatusChange | None:
    """Return the status callback, given either as a keyword or in the dict, as on the documented page.

    Raises:
        InvalidInputError: It is given twice, or the options cannot be read.
    """
    if not isinstance(options, Mapping):
        return keyword
    in_dict = cast("OnStatusChange | None", read("options", options.get, "on_status_change"))
    if keyword is not None and in_dict is not None:
        raise InvalidInputError("on_status_change is given twice, in the options and as a keyword.")
    return in_dict if keyword is None else keyword
