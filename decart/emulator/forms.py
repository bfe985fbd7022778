"""Validation of submitted forms, as the service does it.

The checks are the service's and not this SDK's: pydantic validates the form as it arrived, as text and files, as at the
service, so that the errors have the same wording. As there,

- a field that the model does not have is ignored,
- an empty text counts as missing, so its default applies if it has one,
- numbers and booleans are read leniently: ``" 7 "`` is a seed, and ``True``, ``true`` and ``on`` are true,
- a trajectory is JSON; the ``repr`` of a Python list is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

import attrs
from pydantic import BaseModel, BeforeValidator, Field, Json, ValidationError, create_model
from werkzeug.datastructures import FileStorage

from ..models import ModelDefinition, Task
from .messages import Incoming, invalid


@attrs.frozen(kw_only=True)
class Form:
    """A validated form: typed values, and the files as they were uploaded."""

    model: ModelDefinition
    values: Mapping[str, Any]
    files: Mapping[str, FileStorage]


class _Point(BaseModel):
    frame: int = Field(ge=0)
    x: float = Field(ge=0, allow_inf_nan=False)
    y: float = Field(ge=0, allow_inf_nan=False)


def _upload(value: object) -> object:
    if not isinstance(value, FileStorage):
        raise ValueError(f"Expected UploadFile, received: {type(value)}")
    return value


_FILE = Annotated[Any, BeforeValidator(_upload)]
_KINDS: dict[str, Any] = {
    "prompt": str,
    "data": _FILE,
    "start": _FILE,
    "end": _FILE,
    "trajectory": Json[Annotated[list[_Point], Field(min_length=2, max_length=1000)]],
    "reference_image": _FILE,
    "seed": Annotated[int, Field(ge=0, le=2**32 - 1)],
    "orientation": Literal["landscape", "portrait"],
    "enhance_prompt": bool,
    "self_anchor": bool,
}
_FILES = ("data", "start", "end", "reference_image")
_FIELDS: dict[Task, str] = {  # those with a star are required; every task also takes seed and resolution
    "text-to-video": "prompt* orientation",
    "image-to-video": "prompt* data*",
    "video-to-video": "prompt* data* reference_image enhance_prompt",
    "first-last-frame": "prompt* start* end*",
    "motion": "data* trajectory*",
    "video-restyle": "data* prompt reference_image enhance_prompt",
    "video-edit": "data* prompt reference_image enhance_prompt self_anchor",
    "virtual-try-on": "data* prompt reference_image enhance_prompt self_anchor",
    "text-to-image": "prompt* orientation",
    "image-to-image": "prompt* data* reference_image enhance_prompt",
}


@lru_cache(maxsize=256)
def _schema(task: Task, resolutions: tuple[str, ...], lacks: frozenset[str]) -> type[BaseModel]:
    """Return the pydantic model of a form for such a model."""
    fields: dict[str, Any] = {}
    for field in f"{_FIELDS[task]} seed".split():
        name = field.rstrip("*")
        if field != name:
            fields[name] = (_KINDS[name], ...)
        elif name not in lacks:
            fields[name] = (_KINDS[name] | None, None)
    fields["resolution"] = (Literal[resolutions], resolutions[0])
    return create_model("Form", **fields)


def check(model: ModelDefinition, request: Incoming) -> Form:
    """Read and validate the form of a request as the service does.

    Raises:
        Refused: Fields are missing or invalid; the error names all of them.
    """
    request.read_form()
    given = {**{name: text for name, text in request.texts.items() if text}, **request.uploads}
    try:
        checked = _schema(model.task, model.resolutions, model.lacks).model_validate(given)
    except ValidationError as error:
        raise invalid(error) from None
    values = checked.model_dump(exclude_none=True, warnings=False)
    if "trajectory" in values:
        values["trajectory"] = [(point["frame"], point["x"], point["y"]) for point in values["trajectory"]]
    taken = {name: values.pop(name) for name in _FILES if name in values}
    return Form(model=model, values=values, files=taken)
