"""The options of a submit as a dict, as the documented page writes them, and the way from there to an input class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import attrs

from . import inputs
from .errors import InvalidInputError
from .inputs import CLASS_OF, JobInput, blaming, is_model, refuse, shown
from .jobs import JobStatusResponse
from .models import ModelDefinition, Resolution

if TYPE_CHECKING:
    from typing import Required

    from .file_inputs import TrajectoryPoint
    from .uploads.files import FileInput

OnStatusChange = Callable[[JobStatusResponse], object]


class JobOptions(TypedDict, total=False):
    """The options of ``submit`` and ``submit_and_poll`` as a dict; which of them a model takes, run time tells."""

    model: Required[ModelDefinition]
    prompt: str | None
    seed: int | None
    resolution: Resolution | None
    orientation: Literal["landscape", "portrait"] | None
    data: FileInput | None
    start: FileInput | None
    end: FileInput | None
    reference_image: FileInput | None
    trajectory: Sequence[TrajectoryPoint] | None
    enhance_prompt: bool | None
    self_anchor: bool | None
    on_status_change: OnStatusChange | None


def from_options(options: JobOptions | JobInput) -> JobInput:
    """Check an options dict (which is left as it is) and return it as an object; an object is returned as it is.

    Raises:
        InvalidInputError: An option is unknown, missing, of a wrong type, or not for this model.
    """
    if isinstance(options, JobInput):
        return options
    if not isinstance(options, Mapping):
        raise refuse("options", "a dict or one of the input classes", options)
    with blaming("options"):
        given: dict[str, Any] = dict(options)  # once: a mapping of the caller's may be anything
    model = given.get("model")
    is_model(None, attrs.fields(JobInput).model, model)
    assert isinstance(model, ModelDefinition)
    fields = {field.name: field for field in attrs.fields(input_class(model))}
    for key in given:
        if key not in fields and key != "on_status_change":
            raise _unknown(key, model, list(fields))
    for field in fields.values():
        if field.default is attrs.NOTHING and given.get(field.name) is None:
            kind = " (bytes, pathlib.Path or an open binary file)" if field.metadata.get("file") else ""
            raise InvalidInputError(f"{field.name} is missing: {model.name} needs it{kind}.")
    return input_class(model)(**{name: given[name] for name in fields if given.get(name) is not None})


def input_class(model: ModelDefinition) -> type[JobInput]:
    """Return the class that holds what ``model`` takes.

    Example:
        >>> from decart import models
        >>> input_class(models.video("lucy-pro-t2v")).__name__
        'TextToVideoInput'
    """
    name = CLASS_OF[model.task]
    if hasattr(inputs, name):
        simple: type[JobInput] = getattr(inputs, name)
        return simple
    from . import file_inputs

    with_files: type[JobInput] = getattr(file_inputs, name)
    return with_files


def _unknown(key: object, model: ModelDefinition, fields: list[str]) -> InvalidInputError:
    if key in JobOptions.__annotations__:
        takes = ", ".join(name for name in fields[1:] if name not in model.lacks)
        return InvalidInputError(f"{key}: {model.name} does not take it; it takes {takes}.")
    import difflib  # takes a while to load, and is for mistakes only

    with blaming("options"):
        text = str(key)[:100]
    near = difflib.get_close_matches(text, [*fields, "on_status_change"], n=1, cutoff=0.0)
    return InvalidInputError(f"{shown(key)} is not an option of {model.name}; did you mean {near[0]!r}?")


def callback_of(options: JobOptions | JobInput, keyword: OnStatusChange | None) -> OnStatusChange | None:
    """Return the status callback, which may be given as a keyword or in the dict, as the documented page does.

    Raises:
        InvalidInputError: It is given twice, or cannot be called.
    """
    with blaming("options"):
        in_dict = options.get("on_status_change") if isinstance(options, Mapping) else None
    if keyword is not None and in_dict is not None:
        raise InvalidInputError("on_status_change is given twice, in the options and as a keyword.")
    callback = in_dict if keyword is None else keyword
    check_callback(callback)
    return callback


def check_callback(callback: object) -> None:
    """Refuse a status callback that cannot be called.

    Raises:
        InvalidInputError: It cannot.
    """
    if callback is not None and not callable(callback):
        raise refuse("on_status_change", "something that can be called", callback)
