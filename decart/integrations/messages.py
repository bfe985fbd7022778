"""What travels through a message broker: the options of a job, and what became of it, as JSON values."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from .. import models
from ..errors import InvalidInputError
from ..inputs import read, refuse
from ..journal.fingerprints import kept_inputs
from ..journal.jobstep import JobStep
from ..models import ModelDefinition
from ..options import from_options, input_class

OpenFile = Callable[[str], Any]
"""Opens a file of the options, by the text that it travels as."""


def options_message(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as JSON values, to be sent through a broker.

    Raises:
        InvalidInputError: They cannot be used, or a file is not given as a path or a name.
        ModelNotFoundError: No video model has the name in the options.
    """
    if not isinstance(options, Mapping):
        raise refuse("options", "a dict", options)
    given: dict[str, Any] = read("options", dict, options)
    given["model"] = model = _model_of(given.get("model"))
    if given.pop("on_status_change", None) is not None:
        raise InvalidInputError("on_status_change is a function, and does not travel through the broker.")
    files = {name: given[name] for name in _file_fields(model) if given.get(name) is not None}
    for name, file in files.items():
        if not isinstance(file, (str, os.PathLike)):
            raise refuse(name, "a path or a name, since files do not travel through the broker", file)
    job = from_options(given, "video")  # type: ignore[arg-type]
    names = {name: file if isinstance(file, str) else os.path.abspath(file) for name, file in files.items()}
    known = models.known(job.model.name) == job.model
    described = job.model.name if known else attrs.asdict(job.model) | {"lacks": sorted(job.model.lacks)}
    message: dict[str, Any] = json.loads(json.dumps({"model": described, **kept_inputs(job), **names}))
    return message  # of plain types, so that any serializer takes it


def options_of(message: Mapping[str, Any], open_file: OpenFile) -> Any:
    """Return the options that a message stands for, with its files open."""
    options = options_message(message)
    options["model"] = model = _model_of(options["model"])
    files = {name: open_file(options[name]) for name in _file_fields(model) if name in options}
    return options | files


def _model_of(value: Any) -> Any:
    """Return the model that is given by its name, or by its attributes if it is a model of the program's own."""
    if isinstance(value, str):
        return models.known(value) or models.video(value)
    if isinstance(value, Mapping):
        return read("model", lambda: ModelDefinition(**{**value, "resolutions": tuple(value["resolutions"])}))
    return value


def _file_fields(model: object) -> list[str]:
    """Return the names of the inputs of a model that are files."""
    if not isinstance(model, ModelDefinition):
        return []
    return [field.name for field in attrs.fields(input_class(model)) if field.metadata.get("file")]


def document_of(step: JobStep) -> dict[str, Any]:
    """Return what a callback task is told about a job that has ended, as JSON values."""
    names = ("label", "generation", "state", "job_id", "model", "saved_to", "error")
    document = {name: getattr(step.record, name) for name in names}
    return document | {"error": document["error"] or (None if step.error is None else str(step.error))}
