"""Which file the video of a record goes to: one of its own, so that no video takes the place of another."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from string import Formatter

from ..errors import InvalidInputError
from ..inputs import refuse
from ..targets import resolved, safe_name
from .records import JobRecord, Journal

FIELDS = ("label", "job_id", "model", "generation")
"""What the name of a file may be made of."""


class VideoFiles:
    """The files that one call saves videos to. Each call has an object of its own; threads may share it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._labels: dict[Path, str] = {}

    def reserve(self, target: Path, record: JobRecord) -> Path:
        """Reserve a file for the video of a record, and return it.

        Raises:
            InvalidInputError: It has the video of another label, from this call or an earlier one.
            JournalError: The journal cannot be read.
        """
        file = resolved(target)
        label = self._labels.get(file) or (self._label_of(file) if file.exists() else None) or record.label
        if self._labels.setdefault(file, label) != record.label:
            raise InvalidInputError(
                f"save_to: {target} has the video of another job (label {label!r}); use {{job_id}} in it."
            )
        return target

    def _label_of(self, file: Path) -> str | None:
        """Return the label whose video a file has, if it is one of the journal."""
        saved = [(Path(each.saved_to), each.label) for each in self._journal.select() if each.saved_to]
        return next((label for path, label in reversed(saved) if resolved(path) == file), None)


def files_named(
    template: str | os.PathLike[str], *, many: bool = True, argument: str = "save_to"
) -> Callable[[JobRecord], Path]:
    """Return a function that gives each record a file of its own, by a template such as ``videos/{label}.mp4``.

    Args:
        many: Whether it is for many records, whose files must differ.
        argument: The name of the argument, for the error.

    Raises:
        InvalidInputError: The template cannot do that.
    """
    text = os.fspath(template) if isinstance(template, (str, os.PathLike)) else None
    try:
        used = {name for _, name, *_ in Formatter().parse(text)} - {None} if isinstance(text, str) else set()
    except ValueError:  # such as a single brace
        used = {""}
    if not isinstance(text, str) or (many and not used & {"label", "job_id"}) or not used <= set(FIELDS):
        need = "with {label} or {job_id}, and" if many else "with"
        rule = f"a path {need} no other fields than {', '.join(FIELDS)}; or a function"
        raise refuse(argument, rule, template)
    pieces = list(Formatter().parse(text))

    def file_of(record: JobRecord) -> Path:
        parts = [before + ("" if name is None else safe_name(getattr(record, name))) for before, name, *_ in pieces]
        return Path("".join(parts))

    return file_of
