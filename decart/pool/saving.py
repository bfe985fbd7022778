"""Which file the video of a job goes to, and whether it is there already."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from contextlib import suppress
from pathlib import Path
from string import Formatter
from typing import Any

from ..errors import InvalidInputError
from ..inputs import refuse
from ..jobs import JobStatusResponse, QueueJobResult, to_result
from ..journal.records import JobRecord
from ..targets import check_target, resolved, safe_name

FIELDS = {"index", "label", "model"}
"""What the name of a file may be made of."""

SaveTo = str | os.PathLike[str] | Callable[[int, Any], str | os.PathLike[str]]
"""The file of each job: a path, a template such as ``videos/{index:04}.mp4``, or a function of index and options."""

LabelOf = Callable[[int, Any], str]
"""The label of each job: a function of index and options."""

FileOf = Callable[[int, str | None, str, Any], str | os.PathLike[str]]
"""Returns the file of a job by its index, its label, the name of its model, and its options."""


def files_of(save_to: SaveTo | None, *, many: bool = False) -> FileOf | None:
    """Return a function that gives each job its file; ``None`` for memory.

    Args:
        many: Whether it is for many jobs, whose files must differ.

    Raises:
        InvalidInputError: It cannot be used.
    """
    if save_to is None:
        return None
    if callable(save_to):
        function = save_to
        return lambda index, label, model, options: function(index, options)
    template, used = "", {""}
    with suppress(TypeError, ValueError, LookupError, AttributeError):  # such as a single brace, or an unknown field
        template = os.fspath(save_to)
        template.format(index=0, label="", model="")
        used = {name for _, name, *_ in Formatter().parse(template) if name is not None}
    if not used <= FIELDS or (many and not used & {"index", "label"}):
        need = "with {index} or {label} in it, or " if many else "that may have {index}, {label} and {model} in it, or "
        raise refuse("save_to", f"a path {need}a function", save_to)

    def file_of(index: int, label: str | None, model: str, options: object) -> str:
        if label is None and "label" in used:
            raise InvalidInputError(
                "save_to has {label} in it, but the job has no label; pass label=..., too, which needs a journal."
            )
        return template.format(index=index, label=safe_name(label or ""), model=safe_name(model))

    return file_of


def prepared(path: object) -> Path:
    """Return the absolute path of a file that a video may be saved to; its folder is created.

    Raises:
        InvalidInputError: Nothing can be saved there.
    """
    with suppress(TypeError, ValueError, OSError):  # then the next line says what is wrong
        os.makedirs(os.path.dirname(os.path.expanduser(os.fspath(path))) or os.curdir, exist_ok=True)  # type: ignore[call-overload]
    return check_target(path, "save_to")


class Targets:
    """The files of the jobs of one pool that have not ended."""

    def __init__(self) -> None:
        self._jobs: dict[Path, Hashable] = {}
        self._files: dict[Hashable, Path] = {}  # a path may lead elsewhere by the time its job ends

    def reserve(self, target: Path, job: Hashable) -> None:
        """Reserve a file for a job.

        Raises:
            InvalidInputError: Another job is to be saved there.
        """
        file = resolved(target)
        if self._jobs.setdefault(file, job) is not job:
            raise InvalidInputError(
                f"save_to: the video of another job of this pool goes to {target}; nothing was sent."
            )
        self._files[job] = file

    def release(self, job: Hashable) -> None:
        """Give the file of a job back, if it has one."""
        if (file := self._files.pop(job, None)) is not None:
            del self._jobs[file]


def result_on_record(record: JobRecord, target: Path | None) -> QueueJobResult | None:
    """Return the result of a job that needs no request: it failed, or its video is in the file that was asked for."""
    last = JobStatusResponse(
        job_id=record.job_id or "", status=record.status or "", error=record.error, model=record.model
    )
    if record.state == "failed":
        return to_result(last)
    if record.state == "delivered" and target is not None and record.saved_to == str(target) and target.is_file():
        return to_result(last, path=target)
    return None
