"""Schedulers that make the steps of a job: one, or several that are killed, late, or delivered twice."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import attrs

from decart import JobRecord, JobStep, MemoryJournal, PollPolicy, RetryPolicy
from decart.emulator import EmulatorTransport, VirtualEmulator
from support.labelled import LAKE, BothSides, content, render

T = TypeVar("T")

VIDEO = content(LAKE["prompt"])
STEADY = RetryPolicy(jitter=0)
POLL = PollPolicy(interval=1, backoff=1, max_interval=1, jitter=0, timeout=7200)


def checks(emulator: VirtualEmulator) -> int:
    """Return how many status checks reached an emulator."""
    return sum(request.route == "status" for request in emulator.requests)


def steps_to_the_end(client: Any, emulator: VirtualEmulator, token: str | None = None, **given: Any) -> list[JobStep]:
    """Make all steps of order-1, each when it is due, and nothing else that takes time; return them."""
    steps: list[JobStep] = []
    slept = len(emulator.clock.sleeps)
    while not steps or steps[-1].wait is not None:
        steps.append(client.jobs.step("order-1", LAKE, token=token, **given))
        assert len(emulator.clock.sleeps) == slept, "a step has slept"
        assert len(steps) < 1000, "the steps never end"
        token = steps[-1].token
        emulator.clock.advance(steps[-1].wait or 0.0)
    return steps


def last_of(*faults: str, saved_as: str = "lake.mp4", **given: Any) -> tuple[JobStep, BothSides, Any]:
    """Make all steps of a job, with these faults; return the last one, the emulator and the client."""
    emulator = BothSides(renderer=render, faults=list(faults))
    client = emulator.client(journal=MemoryJournal(), retry=STEADY)
    given = {"save_to": saved_as, "poll": POLL} | given
    return steps_to_the_end(client, emulator, **given)[-1], emulator, client


class Killed(BaseException):
    """What ends a process that is killed."""


class Mortal:
    """The journal as a process sees it that is killed at one of its writes, and does nothing any more then.

    Args:
        journal: The journal.
        kill_at: The number of the write; ``None`` for a process that lives.
        after: Whether it is killed after the write rather than before.
    """

    keep_inputs = False

    def __init__(self, journal: MemoryJournal, kill_at: int | None = None, *, after: bool = False) -> None:
        self._journal, self._kill_at, self._after = journal, kill_at, after
        self._writes, self.is_dead = count(), False

    def _read(self, call: Callable[[], T]) -> T:
        if self.is_dead:
            raise Killed
        return call()

    def _write(self, call: Callable[[], bool]) -> bool:
        is_last = next(self._writes) == self._kill_at
        if is_last and self._after:
            self._read(call)
        self.is_dead = self.is_dead or is_last
        return self._read(call)

    def insert(self, record: JobRecord) -> bool:
        return self._write(lambda: self._journal.insert(record))

    def replace(self, record: JobRecord) -> bool:
        return self._write(lambda: self._journal.replace(record))

    def latest(self, label: str) -> JobRecord | None:
        return self._read(lambda: self._journal.latest(label))

    def by_job(self, job_id: str) -> JobRecord | None:
        return self._read(lambda: self._journal.by_job(job_id))

    def select(self, **filters: Any) -> list[JobRecord]:
        return self._read(lambda: self._journal.select(**filters))

    def delete(self, before: float, states: Collection[Any]) -> int:
        return self._read(lambda: self._journal.delete(before, states))

    def close(self) -> None:
        """Do nothing."""


class Skewed(EmulatorTransport):
    """A transport on a machine whose clock is wrong by some seconds."""

    skew = 0.0

    def time(self) -> float:
        return super().time() + self.skew


@attrs.frozen(kw_only=True)
class Plan:
    """What happens to the tasks of a job.

    Attributes:
        starts: When a scheduler begins with the job, without a token, in seconds.
        kills: For the number of a step: the write at which it is killed, and whether after that.
        twice: For the number of a step: after how many seconds the task that it has scheduled is delivered once more.
        late: By how many seconds each task is late.
        skews: By how many seconds the clocks of the machines are wrong, which make the steps in turn.
    """

    starts: list[float] = [0.0]
    kills: Mapping[int, tuple[int, bool]] = {}
    twice: Mapping[int, float] = {}
    late: float = 0.0
    skews: list[float] = [0.0]


class TaskQueue:
    """A task queue that delivers each task at least once, on the virtual clock.

    Attributes:
        journal: The journal of the workers.
        steps: The steps that were made.
        killed: How many were killed.
        done: The last steps, as ``on_done`` has seen them.
    """

    REDELIVERY = 40.0

    def __init__(self, emulator: VirtualEmulator, target: Path) -> None:
        self.emulator, self.target = emulator, target
        self.journal, self.steps, self.killed, self.done = MemoryJournal(), list[JobStep](), 0, list[JobStep]()

    def run(self, plan: Plan) -> None:
        """Deliver tasks until there are none."""
        numbers, clock = count(), self.emulator.clock
        tasks: list[tuple[float, int, str | None]] = [(start, next(numbers), None) for start in plan.starts]
        heapq.heapify(tasks)
        made = 0
        while tasks:
            assert made < 500, "the chains never end"
            at, _, token = heapq.heappop(tasks)
            clock.advance(max(0.0, at - clock.now()))
            step = self._step(token, plan.kills.get(made), plan.skews[made % len(plan.skews)])
            if step is None:
                heapq.heappush(tasks, (clock.now() + self.REDELIVERY, next(numbers), token))
            elif step.wait is not None:
                due = clock.now() + step.wait + plan.late
                for delay in (0.0, plan.twice[made]) if made in plan.twice else (0.0,):
                    heapq.heappush(tasks, (due + delay, next(numbers), step.token))
            made += 1

    def _step(self, token: str | None, kill: tuple[int, bool] | None, skew: float) -> JobStep | None:
        transport = Skewed(self.emulator)
        transport.skew = skew
        journal = Mortal(self.journal) if kill is None else Mortal(self.journal, kill[0], after=kill[1])
        given: dict[str, Any] = {"save_to": self.target, "on_done": self.done.append, "poll": POLL}
        try:
            with self.emulator.client(transport=transport, journal=journal) as client:
                step: JobStep = client.jobs.step("order-1", LAKE, token=token, **given)
        except Killed:
            self.killed += 1
            return None
        self.steps.append(step)
        return step
