"""The file ``results.jsonl`` of a batch: one line for each job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ..errors import SubmitOutcomeUnknownError
from ..jobs import QueueJobResult
from ..results import write_to
from .wording import in_commands

RESULTS = "results.jsonl"
"""Its name."""

FIELDS = ("line", "label", "job_id", "status", "path", "error", "seconds")

Result = dict[str, Any]
"""A line of the file: a value for each of ``FIELDS``."""

Outcome = QueueJobResult | BaseException
"""How a job has ended."""


class ResultsFile:
    """The results of a batch, in a file that is right whenever the batch is killed, once it is run again.

    A line is appended as its job ends. Nothing is lost that way but perhaps the end of the last line, and the next run
    begins by leaving that out. It keeps the jobs whose videos are still there, and leaves out all others, since it will
    append how they end this time. So there is never more than one line of a job.

    Args:
        path: The file; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._earlier: dict[object, tuple[Any, ...]] = {}
        if path.exists():
            self._rewrite(lambda result: result["status"] == "completed" and _has_file(result))
            self._earlier = {_key(result): _identity(result) for result in read_results(self.path)}
        self._file: IO[bytes] = path.open("ab", buffering=0)

    def add(self, result: Result) -> bool:
        """Append a result, unless an earlier run has; return whether it was new."""
        key = _key(result)
        earlier = self._earlier.pop(key, None)
        if earlier == _identity(result):
            return False
        if earlier is not None:
            self._leave_out({key})
        self._append(json.dumps(result).encode() + b"\n")
        return True

    def _append(self, line: bytes) -> None:
        """Write all of a line: a disk that is almost full takes a part of it.

        Raises:
            OSError: The disk is full; it names the file.
        """
        try:
            while line:
                line = line[self._file.write(line) :]
        except OSError as error:
            error.filename = str(self.path)
            raise

    def forget_others(self) -> None:
        """Leave out the results of earlier runs that were not added again: their jobs are no longer in the list."""
        if self._earlier:
            self._leave_out(set(self._earlier))

    def _leave_out(self, keys: set[object]) -> None:
        self._file.close()
        self._rewrite(lambda result: _key(result) not in keys)
        self._file = self.path.open("ab", buffering=0)

    def _rewrite(self, is_kept: Callable[[Result], bool]) -> None:
        lines = [json.dumps(result).encode() + b"\n" for result in read_results(self.path) if is_kept(result)]
        write_to(self.path.absolute(), "", b"".join(lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def read_results(path: Path) -> Iterator[Result]:
    """Yield the results in a file, without lines that are damaged."""
    with path.open("rb") as lines:
        for line in lines:
            with suppress(ValueError, RecursionError):
                result = json.loads(line)
                if _is_result(result):
                    yield result


def _is_result(value: Any) -> bool:
    """Return whether a value of JSON is a line of the results: anybody can edit the file."""
    if not isinstance(value, dict) or value.keys() != set(FIELDS):
        return False
    texts = [value[name] for name in ("label", "job_id", "status", "path")]
    return isinstance(value["line"], int) and all(isinstance(text, str | None) for text in texts)


def _has_file(result: Result) -> bool:
    return result["path"] is not None and Path(result["path"]).is_file()


def _key(result: Result) -> object:
    """Return what a job is known by: its label, or its line if no label could be made."""
    return result["label"] or result["line"]


def _identity(result: Result) -> tuple[Any, ...]:
    return result["line"], result["job_id"], result["status"], result["path"]


def result_of(line: int, label: str | None, outcome: Outcome) -> Result:
    """Return the line of the results for a job that has ended."""
    result = {"line": line, "label": label, "job_id": getattr(outcome, "job_id", None)}
    if not isinstance(outcome, QueueJobResult):
        status = "unknown" if isinstance(outcome, SubmitOutcomeUnknownError) else "error"
        return result | {"status": status, "path": None, "error": in_commands(str(outcome)), "seconds": None}
    status = "timed_out" if outcome.timed_out else outcome.status
    seconds = None if outcome.elapsed is None else round(outcome.elapsed, 1)
    path = None if outcome.path is None else str(outcome.path)
    error = None if outcome.error is None else in_commands(outcome.error)
    return result | {"status": status, "path": path, "error": error, "seconds": seconds}
