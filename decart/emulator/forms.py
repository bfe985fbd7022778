"""What the service checks in a submitted form, and how it says what is wrong.

The checks are the service's own and not this SDK's: they are made of the form as it arrived, as text and files, and
answer in FastAPI's form, a list of ``loc``, ``msg`` and ``type``. Fields that nobody asked for are ignored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from werkzeug.datastructures import FileStorage

from ..models import ModelDefinition, Task

Detail = dict[str, object]


class Refused(Exception):
    """A form that the service does not take.

    Attributes:
        details: One entry for each thing that is wrong with it.
    """

    def __init__(self, details: list[Detail]) -> None:
        super().__init__(details)
        self.details = details


@attrs.frozen(kw_only=True)
class Form:
    """A form that has been checked: the values as what they are, the files as they came."""

    model: ModelDefinition
    values: Mapping[str, Any]
    files: Mapping[str, FileStorage]


class _Wrong(Exception):
    """One value is wrong: FastAPI's ``type`` and ``msg``."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind, self.message = kind, message


def _seed(text: str, model: ModelDefinition) -> int:
    try:
        seed = int(text)
    except ValueError:
        raise _Wrong("int_parsing", "Input should be a valid integer, unable to parse string as an integer") from None
    if seed < 0:
        raise _Wrong("greater_than_equal", "Input should be greater than or equal to 0")
    if seed > 4294967295:
        raise _Wrong("less_than_equal", "Input should be less than or equal to 4294967295")
    return seed


def _flag(text: str, model: ModelDefinition) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise _Wrong("bool_parsing", "Input should be a valid boolean, unable to interpret input")
    return text.lower() in ("true", "1")


def _resolution(text: str, model: ModelDefinition) -> str:
    if text not in model.resolutions:
        raise _Wrong("literal_error", f"Input should be {' or '.join(map(repr, model.resolutions))}")
    return text


def _orientation(text: str, model: ModelDefinition) -> str:
    if text not in ("landscape", "portrait"):
        raise _Wrong("literal_error", "Input should be 'landscape' or 'portrait'")
    return text


def _prompt(text: str, model: ModelDefinition) -> str:
    if not text and model.task not in ("video-edit", "virtual-try-on"):
        raise _Wrong("string_too_short", "String should have at least 1 character")
    return text


def _trajectory(text: str, model: ModelDefinition) -> list[tuple[int, float, float]]:
    try:
        points = [(point["frame"], float(point["x"]), float(point["y"])) for point in json.loads(text)]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _Wrong("json_invalid", "Input should be a JSON list of objects with frame, x and y") from None
    if not 2 <= len(points) <= 1000:
        raise _Wrong("too_short" if len(points) < 2 else "too_long", "List should have 2 to 1000 items")
    if any(
        type(frame) is not int or frame < 0 or not (0 <= x < math.inf and 0 <= y < math.inf) for frame, x, y in points
    ):
        raise _Wrong("greater_than_equal", "frame, x and y should be greater than or equal to 0")
    return points


_READERS: dict[str, Callable[[str, ModelDefinition], object]] = {
    "prompt": _prompt,
    "seed": _seed,
    "resolution": _resolution,
    "orientation": _orientation,
    "enhance_prompt": _flag,
    "self_anchor": _flag,
    "trajectory": _trajectory,
}
_FILES = ("data", "start", "end", "reference_image")
_REQUIRED: dict[Task, tuple[str, ...]] = {
    "text-to-video": ("prompt",),
    "image-to-video": ("prompt", "data"),
    "video-to-video": ("prompt", "data"),
    "first-last-frame": ("prompt", "start", "end"),
    "motion": ("data", "trajectory"),
    "video-restyle": ("data",),
    "video-edit": ("data",),
    "virtual-try-on": ("data",),
    "text-to-image": ("prompt",),
    "image-to-image": ("prompt", "data"),
}


def check(model: ModelDefinition, texts: Mapping[str, str], files: Mapping[str, FileStorage]) -> Form:
    """Check a form the way the service does.

    Raises:
        Refused: At least one field is missing or wrong; all of them are named.
    """
    details: list[Detail] = []
    values: dict[str, object] = {}
    for name in _REQUIRED[model.task]:
        if name not in (files if name in _FILES else texts):
            details.append(_detail(name, "missing", "Field required", None))
    for name, reader in _READERS.items():
        if name in texts:
            try:
                values[name] = reader(texts[name], model)
            except _Wrong as wrong:
                details.append(_detail(name, wrong.kind, wrong.message, texts[name][:100]))
    if details:
        raise Refused(details)
    return Form(model=model, values=values, files={name: files[name] for name in _FILES if name in files})


def _detail(name: str, kind: str, message: str, given: object) -> Detail:
    return {"type": kind, "loc": ["body", name], "msg": message, "input": given}
