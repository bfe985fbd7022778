"""Read a list of jobs: JSON lines, or CSV with a header."""

from __future__ import annotations

import os
import shutil
import tempfile
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import attrs

from ..config import DEFAULT_BASE_URL, Settings, settings
from ..errors import DecartSDKError, InvalidInputError
from ..file_inputs import VideoInput
from ..inputs import refuse, shown
from ..journal.fingerprints import request_of
from ..journal.labels import check_label, default_label
from ..models import IMAGE_TASKS, TASKS
from ..options import from_options
from ..pool.saving import FileOf
from ..protocol import form_fields
from ..uploads import Upload
from .inputs import FILES, model_of, stdin
from .listlines import Values, csv_lines, json_lines

SHOWN = 20
"""Errors of a list that are printed."""


@attrs.frozen(kw_only=True)
class ListedJob:
    """One job of a list.

    Attributes:
        line: The line that it stands in, from 1; in CSV, that of its first cell.
        input: What is submitted.
        label: Its label, if the list names it.
        output: The file of its video within the output folder, if the list names it.
    """

    line: int
    input: VideoInput
    label: str | None = None
    output: str | None = None


@attrs.frozen(kw_only=True)
class Checked:
    """What is known of a list whose lines were all checked.

    Attributes:
        models: How many jobs each model has.
        files: How many files are uploaded.
        size: Their bytes.
    """

    models: Counter[str]
    files: int
    size: int

    @property
    def jobs(self) -> int:
        """How many jobs there are."""
        return self.models.total()


@attrs.frozen(kw_only=True)
class JobList:
    """A list of jobs, which is read anew each time, so that it needs no memory.

    It is a copy: what is edited, or was piped in, while a batch runs for hours makes no difference to it.

    Attributes:
        name: What errors call it.
        folder: The folder that its files are relative to.
        file: The copy.
        is_csv: Whether it is CSV, or else JSON lines.
    """

    name: str
    folder: Path
    file: IO[bytes] = attrs.field(repr=False)
    is_csv: bool

    def read(self) -> Iterator[ListedJob | InvalidInputError]:
        """Yield each job, or what is wrong with its line."""
        self.file.seek(0)
        for line, values in (csv_lines if self.is_csv else json_lines)(self.file):
            try:
                yield _job(line, values, self.folder)
            except DecartSDKError as error:
                yield InvalidInputError(f"{self.name}:{line}: {error.message}")

    def jobs(self) -> Iterator[ListedJob]:
        """Yield the jobs of a list that was checked."""
        return (each for each in self.read() if isinstance(each, ListedJob))

    def labelled(self) -> Iterator[tuple[ListedJob, str | InvalidInputError]]:
        """Yield the jobs with their labels, or why a label could not be made: a file can no longer be read.

        A label that the list does not name is made of the inputs of the job, and of how many lines before it have the
        same ones. So jobs keep their labels if lines are added or removed above them.
        """
        service, before = settings("none", DEFAULT_BASE_URL, None, None), Counter[str]()  # they make no difference
        for job in self.jobs():
            if job.label is not None:
                yield job, job.label
                continue
            try:
                label = _made_label(job.input, service, before)
            except InvalidInputError as error:
                yield job, error
            else:
                yield job, label

    def check(self, file_of: FileOf, reserved: Iterable[str]) -> Checked:
        """Check all lines before anything is spent.

        Args:
            file_of: The file of a job within the output folder, unless the list names it.
            reserved: Files of that folder that are not for videos.

        Raises:
            InvalidInputError: What is wrong with each of the lines; the first 20 are named.
        """
        models, files, size = Counter[str](), 0, 0
        labels: dict[str, int] = {}
        outputs = dict.fromkeys(map(os.path.normcase, reserved), 0)
        errors: list[str] = []
        more = 0
        for each in self.read():
            try:
                if isinstance(each, InvalidInputError):
                    raise each
                uploads = self._check(each, file_of, labels, outputs)
            except InvalidInputError as error:
                if len(errors) < SHOWN:
                    errors.append(error.message)
                else:
                    more += 1
            else:
                models[each.input.model.name] += 1
                files, size = files + len(uploads), size + sum(upload.size for upload in uploads)
        if errors:
            last = [f"... and {more} more."] if more else []
            summary = f"{len(errors) + more} of the lines cannot be used, and nothing was sent:"
            raise InvalidInputError("\n".join([summary, *errors, *last]))
        return Checked(models=models, files=files, size=size)

    def _check(self, job: ListedJob, file_of: FileOf, labels: dict[str, int], outputs: dict[str, int]) -> list[Upload]:
        """Check what a line alone does not show; return the files of its job.

        Raises:
            InvalidInputError: A file cannot be read, or the label or output is that of another line.
        """
        place = f"{self.name}:{job.line}"
        try:
            uploads = [value for value in form_fields(job.input).values() if isinstance(value, Upload)]
        except InvalidInputError as error:
            raise InvalidInputError(f"{place}: {error.message}") from None
        if job.label is not None and (other := labels.setdefault(job.label, job.line)) != job.line:
            raise InvalidInputError(f"{place}: label: {job.label!r} is that of line {other}, too.")
        label = job.label or f"line {job.line}"  # those that are made differ from each other, too
        output = os.path.normpath(job.output or file_of(job.line, label, job.input.model.name, None))
        if (other := outputs.setdefault(os.path.normcase(output), job.line)) != job.line:
            taken = f"that of line {other}, too" if other else "a file of the batch itself"
            raise InvalidInputError(f"{place}: output: {output} is {taken}.")
        return uploads


@contextmanager
def open_list(name: str) -> Iterator[JobList]:
    """Yield the list in a file, or in standard input (``-``).

    Raises:
        InvalidInputError: It cannot be read.
    """
    path = Path(name)
    with tempfile.TemporaryFile() as copy:
        try:
            if name == "-":
                shutil.copyfileobj(stdin(), copy)
            else:
                with path.open("rb") as file:
                    shutil.copyfileobj(file, copy)
        except OSError as error:
            raise InvalidInputError(f"{name} cannot be read: {error.strerror}.") from None
        is_csv = path.suffix.lower() == ".csv"
        yield JobList(name="stdin" if name == "-" else name, folder=path.parent.absolute(), file=copy, is_csv=is_csv)


def _job(line: int, values: Values | InvalidInputError, folder: Path) -> ListedJob:
    """Return the job of a line.

    Raises:
        DecartSDKError: The line, or a value, cannot be used.
    """
    if isinstance(values, InvalidInputError):
        raise values
    given = {name: value for name, value in values.items() if value is not None}
    name, task, label, output = (given.pop(name, None) for name in ("model", "task", "label", "output"))
    if not isinstance(name, str):
        raise InvalidInputError("model is missing." if name is None else f"model must be a name, not {shown(name)}.")
    if task is not None and (task not in TASKS or task in IMAGE_TASKS):
        tasks = ", ".join(task for task in TASKS if task not in IMAGE_TASKS)
        raise refuse("task", f"one of {tasks}", task)
    for field in given.keys() & set(FILES):
        if not isinstance(given[field], str):
            raise refuse(field, "the path of a file", given[field])
        given[field] = folder / given[field]
    if "on_status_change" in given:
        raise InvalidInputError("on_status_change cannot be part of a list.")
    model = model_of(Namespace(model=name, task=task), "video")
    options: Any = {"model": model, **given}
    job: Any = from_options(options, "video")
    return ListedJob(
        line=line,
        input=job,
        label=None if label is None else check_label(label),
        output=None if output is None else _inside(output),
    )


def _inside(output: object) -> str:
    """Return the normal form of the name of a file within the output folder.

    Raises:
        InvalidInputError: It is none.
    """
    if not isinstance(output, str) or not output.isprintable() or output.endswith(("/", os.sep)):
        raise refuse("output", "the name of a file", output)
    name = os.path.normpath(output)
    if os.path.isabs(name) or name.split(os.sep)[0] in (os.pardir, os.curdir):
        raise InvalidInputError(f"output: {output} is not inside of the output folder.")
    return name


def _made_label(job: VideoInput, service: Settings, before: Counter[str]) -> str:
    """Return a label that is made of the inputs of a job, and count it; this reads its files."""
    request = request_of(form_fields(job), job.model.name, service)
    key = default_label(request, 0)
    before[key] += 1
    return default_label(request, before[key])
