"""A scenario: the durations and faults of an emulator's jobs, one job after the other, from a file.

::

    repeat = true                        # after the last job, start again; otherwise, jobs are as usual from then on

    [[job]]
    pending = 1                          # seconds; by default, those of the emulator
    processing = 2
    faults = ["status:503,on=submit", "drop-midway"]

    [[job]]
    fails = "the prompt was refused"

The jobs are those that are accepted, in the order of their submits. The faults of a job affect the attempts to submit
it, and later only requests about it; `decart.emulator.faults` has their notation. Faults that are added to the emulator
come first.
"""

from __future__ import annotations

import itertools
import os
import threading
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from ..errors import InvalidInputError
from .checks import SECONDS, is_seconds
from .faults import Fault, Faults, fault_of

ROUTES = ("submit", "status", "content", "any")


@attrs.frozen(kw_only=True, eq=False)
class Turn:
    """What happens to one job.

    Attributes:
        pending: Seconds that it waits in the queue.
        processing: Seconds that it is then processed.
        faults: Its faults that have not acted yet.
    """

    pending: float
    processing: float
    faults: Faults = attrs.field(factory=Faults)

    @property
    def seconds(self) -> float:
        """How long it takes, in seconds."""
        return self.pending + self.processing


class Scenario:
    """The turns of jobs, one after the other.

    Args:
        path: A TOML file; None for ordinary jobs only.
        usual: The turn of an ordinary job, whose durations are the defaults in the file.

    Attributes:
        current: The turn of the next job that is accepted.

    Raises:
        InvalidInputError: The file cannot be read, or is no scenario; the message names the file and the key.
    """

    def __init__(self, path: str | os.PathLike[str] | None, usual: Turn) -> None:
        turns, repeat = ([], False) if path is None else _read(Path(path), usual)
        self._turns = itertools.chain(itertools.cycle(turns) if repeat else turns, itertools.repeat(usual))
        self._lock = threading.Lock()
        self.current = self._next()

    def take(self) -> Turn:
        """Return the turn of a job that is accepted now."""
        with self._lock:
            turn, self.current = self.current, self._next()
            return turn

    def _next(self) -> Turn:
        """Return the next turn, with faults of its own."""
        turn = next(self._turns)
        return attrs.evolve(turn, faults=Faults(turn.faults.left))


@contextmanager
def _within(where: str) -> Iterator[None]:
    """Say of a mistake where it is."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"{where}: {error.message.removesuffix('.')}.") from None


def _read(path: Path, usual: Turn) -> tuple[list[Turn], bool]:
    with _within(f"scenario {path}"):
        try:
            given = tomllib.loads(path.read_text("utf-8-sig"))
        except OSError as error:
            raise InvalidInputError(f"it cannot be read ({error.strerror})") from None
        except (ValueError, RecursionError) as error:  # it is no TOML, or not UTF-8
            raise InvalidInputError(f"it is not valid TOML ({error})") from None
        _check_keys(given, "repeat", "job")
        repeat, jobs, turns = given.get("repeat", False), given.get("job"), []
        if not isinstance(repeat, bool):
            raise InvalidInputError("repeat must be true or false")
        if not isinstance(jobs, list) or not jobs:
            raise InvalidInputError("job must be a list of tables, at least one: [[job]]")
        for number, job in enumerate(jobs, start=1):
            with _within(f"job {number}"):
                turns.append(_turn(job, usual))
        return turns, repeat


def _turn(job: Any, usual: Turn) -> Turn:
    """Return the turn of a table."""
    if not isinstance(job, Mapping):
        raise InvalidInputError("it must be a table")
    _check_keys(job, "pending", "processing", "fails", "faults")
    given, faults = job.get("faults", []), []
    if not isinstance(given, list):
        raise InvalidInputError('faults must be a list, such as ["drop-midway"]')
    for number, each in enumerate(given, start=1):
        with _within(f"faults, number {number}"):
            fault = fault_of(each)
            if fault.on not in ROUTES:
                raise InvalidInputError(f"a job has no requests on={fault.on}")
            if fault.kind.part == "job" and (fault.times, fault.after) != (1, 0):
                raise InvalidInputError(f"{fault.name} is the outcome of one job; leave times= and after= out")
            faults.append(fault)
    outcomes = [fault.name for fault in faults if fault.kind.part == "job"]
    if "fails" in job:
        faults.append(_failure(job["fails"]))
        outcomes.append("the key fails")
    if len(outcomes) > 1:
        raise InvalidInputError(f"a job has one outcome, not {' and '.join(outcomes)}")
    return Turn(
        pending=_seconds("pending", job.get("pending", usual.pending)),
        processing=_seconds("processing", job.get("processing", usual.processing)),
        faults=Faults(faults),
    )


def _seconds(key: str, value: Any) -> float:
    if not is_seconds(value):
        raise InvalidInputError(f"{key} must be {SECONDS}, not {str(value)[:100]!r}")
    return float(value)


def _failure(reason: Any) -> Fault:
    """Return the fault of a job that fails for a reason."""
    try:
        return Fault("job-fails", reason=reason)
    except InvalidInputError:
        raise InvalidInputError(f"fails must be some text, the reason, not {str(reason)[:100]!r}") from None


def _check_keys(table: Mapping[str, Any], *known: str) -> None:
    for key in table:
        if key not in known:
            raise InvalidInputError(f"there is no key {key[:100]!r}; the keys are {', '.join(known)}")
