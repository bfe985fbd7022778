"""Which exchange of a pool is due. A pure function of the time and of what happened so far; it does no I/O.

Each job goes through three kinds of steps: ``submit``, ``check`` (again and again) and ``fetch``. Of the steps that may
begin, the one that has been due for longest does. What may keep one from beginning:

=============  =======================================================================================
step           waits while
=============  =======================================================================================
a submit       as many jobs are in flight as the window allows, or as many submits as workers may make
a check        the previous one began less than ``1 / max_checks_per_second`` ago
a fetch        as many fetches are under way as workers may make
a repeat       the retry budget is empty
=============  =======================================================================================

The service's ``Retry-After`` pauses all submits, or all status checks; a 503 pauses both. Neither that nor the budget
delays a status check past the deadline of its wait.
"""

from __future__ import annotations

import heapq
from typing import Generic, Literal, TypeVar

import attrs

from ..errors import DecartSDKError
from ..policies import RetryPolicy, retry_after
from ..polling import Wait
from .throttle import RetryBudget, SubmitWindow, is_throttled

SHARE = 0.4
"""The share of the workers that submits, and fetches, may take: status checks must go on beside long transfers."""

EPSILON = 1e-6
"""Seconds that do not count: the sum of two times may be slightly less than it should be."""

FOREVER = float("inf")

Kind = Literal["submit", "check", "fetch", "leave"]
J = TypeVar("J")


@attrs.frozen
class Step(Generic[J]):
    """An exchange that begins now; ``leave`` ends a job of a pool that was stopped, without an exchange.

    Attributes:
        kind: What to do.
        job: The job.
        repeat: Whether it repeats an exchange that failed.
        number: The number of the submit.
    """

    kind: Kind
    job: J
    repeat: bool = False
    number: int = 0


@attrs.frozen(eq=False)
class _Entry(Generic[J]):
    """A step that is to begin at some time: ``turn`` keeps those of the same time in order."""

    due: float
    turn: int
    job: J
    deadline: float = FOREVER

    def __lt__(self, other: _Entry[J]) -> bool:  # a heap compares often, and the one of attrs takes 9 times as long
        return (self.due, self.turn) < (other.due, other.turn)


class Schedule(Generic[J]):
    """The steps of one pool.

    Args:
        max_in_flight: The most jobs that are submitted and have not ended.
        workers: How many steps are under way at once, at most. Whoever asks for a step must be one of them.
        max_checks_per_second: The most status checks, of all jobs together.
        retry: What is the least that a ``Retry-After`` counts for.
    """

    def __init__(
        self, *, max_in_flight: int, workers: int, max_checks_per_second: float, retry: RetryPolicy | None = None
    ) -> None:
        self.window, self.budget = SubmitWindow(max_in_flight), RetryBudget()
        self._retry = retry or RetryPolicy()
        self._most_long = max(1, int(workers * SHARE))
        self._check_gap = 1 / max_checks_per_second
        self._next_check = 0.0
        self._paused_until = {"submit": 0.0, "check": 0.0}
        self._running: dict[str, int] = {"submit": 0, "check": 0, "fetch": 0, "leave": 0}
        self._in_flight: set[J] = set()
        self._stopped = False
        self._turns = 0
        self._waiting: dict[tuple[Kind, bool], list[_Entry[J]]] = {
            ("leave", False): [],
            ("fetch", False): [],
            ("check", False): [],
            ("check", True): [],
            ("submit", False): [],
            ("submit", True): [],
        }

    @property
    def under_way(self) -> int:
        """How many steps have begun and not ended."""
        return sum(self._running.values())

    @property
    def is_idle(self) -> bool:
        """Whether there is no job."""
        return not any(self._waiting.values()) and not self.under_way

    def due(self, now: float) -> Step[J] | Wait:
        """Return the step that begins now, or how long to wait unless something happens first."""
        chosen: tuple[_Entry[J], Kind, bool] | None = None
        soonest = FOREVER
        for (kind, repeat), entries in self._waiting.items():
            if entries:
                entry, at = self._first(kind, repeat, now)
                soonest = min(soonest, at)
                if at <= now + EPSILON and (chosen is None or entry < chosen[0]):
                    chosen = entry, kind, repeat
        return Wait(soonest - now) if chosen is None else self._begin(*chosen, now)

    def add(self, job: J, now: float) -> None:
        """Add a job that is to be submitted."""
        self._put("submit", job, now)

    def observe(self, step: Step[J], error: DecartSDKError | None, now: float) -> None:
        """Take note of how the exchange of a step ended, which decides the pace of those that follow."""
        if error is None:
            self.budget.succeeded(repeat=step.repeat)
            if step.kind == "submit":
                self.window.accepted()
        elif is_throttled(error):
            asked = retry_after(error, self._retry) or 0.0
            both = getattr(error, "status_code", None) == 503
            for kind in self._paused_until if both else (step.kind,):
                self._paused_until[kind] = max(self._paused_until[kind], now + asked)
            if step.kind == "submit":
                self.window.refused(step.number, len(self._in_flight))

    def submit_at(self, step: Step[J], at: float, *, repeat: bool) -> None:
        """Submit the job of a submit later: again, or for the first time."""
        self._end(step)
        self._in_flight.discard(step.job)
        self._put("submit", step.job, at, repeat=repeat)

    def check_at(self, step: Step[J], at: float, deadline: float, *, repeat: bool) -> None:
        """Check the status of a job later."""
        self._end(step)
        self._put("check", step.job, at, deadline, repeat=repeat)

    def fetch(self, step: Step[J], now: float) -> None:
        """Fetch the result of a job."""
        self._end(step)
        self._put("fetch", step.job, now)

    def ended(self, step: Step[J]) -> None:
        """Forget a job."""
        self._end(step)
        self._in_flight.discard(step.job)

    def stop(self) -> None:
        """Begin no exchange any more: each job leaves, as soon as its step has ended if one is under way."""
        self._stopped = True
        for entries in self._waiting.values():
            if entries is not self._waiting["leave", False]:
                for entry in entries:
                    self._put("leave", entry.job, entry.due)
                entries.clear()

    def _put(self, kind: Kind, job: J, due: float, deadline: float = FOREVER, *, repeat: bool = False) -> None:
        self._turns += 1
        place: tuple[Kind, bool] = ("leave", False) if self._stopped else (kind, repeat)
        heapq.heappush(self._waiting[place], _Entry(due, self._turns, job, deadline))

    def _first(self, kind: Kind, repeat: bool, now: float) -> tuple[_Entry[J], float]:
        """Return the next entry of a kind, and when it may begin."""
        entries = self._waiting[kind, repeat]
        entry = entries[0]
        if kind == "leave":
            return entry, now
        is_full = kind != "check" and self._running[kind] >= self._most_long
        if is_full or (kind == "submit" and len(self._in_flight) >= int(self.window.size)):
            return entry, FOREVER
        at = max(entry.due, self._paused_until.get(kind, 0.0))
        if repeat:
            at = max(at, self.budget.ready_at(entry.due, now))
        if kind == "check":
            if at > max(entry.due, now):  # it is delayed, so that one whose deadline is near may have to go first
                urgent = min(entries, key=lambda each: each.deadline)
                entry, at = (urgent, urgent.deadline) if urgent.deadline < at else (entry, at)
            at = max(at, self._next_check)
        return entry, at

    def _begin(self, entry: _Entry[J], kind: Kind, repeat: bool, now: float) -> Step[J]:
        entries = self._waiting[kind, repeat]
        if entry is entries[0]:
            heapq.heappop(entries)
        else:
            entries.remove(entry)
            heapq.heapify(entries)
        self._running[kind] += 1
        if repeat:
            self.budget.take()
        if kind == "check":
            self._next_check = max(now, self._next_check) + self._check_gap
        number = 0
        if kind == "submit":
            self._in_flight.add(entry.job)
            number = self.window.begin()
        return Step(kind, entry.job, repeat, number)

    def _end(self, step: Step[J]) -> None:
        self._running[step.kind] -= 1
