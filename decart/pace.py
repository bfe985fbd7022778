"""Learn how long jobs take, to check their status rarely at first and often when they are about to finish.

==========================  ==============================================================================
seconds since the submit    pause until the next status check, with ``m`` for ``max_interval``
==========================  ==============================================================================
0 to ``earliest``           until m after ``earliest``, but at most 4 m
``earliest`` to ``typical`` shrinks steadily, from m to 0.58 m
``typical`` to ``latest``   0.58 m
after ``latest``            the default pace: this job is not like the others
==========================  ==============================================================================

For short jobs, m is replaced by the time from ``earliest`` to ``typical`` if that is less (except in 4 m). No pause is
shorter than ``interval``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import attrs

from .jobs import FINISHED, JobStatusResponse
from .policies import PollPolicy
from .policies import pause as default_pause

FEWEST_JOBS = 5  # before anything is expected
SCATTERED = 0.43  # spread above which nothing is expected: the slow tenth of the jobs take 3 times as long as the quick
ASSUMED_SPREAD, ASSUMED_JOBS = 0.25, 10  # few jobs say little about a spread: this one counts as if ten had shown it
EARLY, LATE = 2.1, 2.5  # spreads below and above the typical duration: 2 % of the jobs are earlier, 1 % later
CLOSE, FAR = 0.58, 4.0  # times max_interval: the pause when a job is about to finish, and the longest before that


@attrs.frozen
class Expectation:
    """When a job should finish, in seconds since its submit.

    Example:
        >>> expected = Expectation(earliest=17.0, typical=30.0, latest=56.0)
        >>> [round(expected.pause(PollPolicy(), check=9, elapsed=seconds), 2) for seconds in (0, 16, 23, 30, 60)]
        [8.0, 3.0, 1.61, 1.16, 2.0]
    """

    earliest: float
    typical: float
    latest: float

    def pause(self, policy: PollPolicy, *, check: int, elapsed: float, chance: float = 0.0) -> float:
        """Return the seconds to wait after the ``check``-th status check, ``elapsed`` seconds after the submit.

        ``chance``, 0 to 1, is the share of the policy's jitter to subtract.
        """
        if elapsed >= self.latest:
            return default_pause(policy, check, chance)
        window = self.typical - self.earliest
        start = max(elapsed, self.earliest)
        to_typical = max(self.typical - start, 0.0) / window  # 1 at the earliest, 0 from the typical duration on
        step = min(policy.max_interval, window) * (CLOSE + (1 - CLOSE) * to_typical)
        seconds = max(start + step - elapsed, default_pause(policy, 1))
        return min(seconds, FAR * policy.max_interval) * (1 - policy.jitter * chance)


def expect(durations: Sequence[float]) -> Expectation | None:
    """Return when a job should finish, if past ones took so many seconds; ``None`` if they are too few or scattered.

    Durations vary by a share of themselves, so mean and spread (standard deviation) are those of their logarithms.
    """
    count = len(durations)
    if count < FEWEST_JOBS:
        return None
    logs = [math.log(seconds) for seconds in durations]
    mean = math.fsum(logs) / count
    squares = math.fsum((log - mean) ** 2 for log in logs)
    if math.sqrt(squares / (count - 1)) > SCATTERED:
        return None
    # the last factor is there because the mean is uncertain, too
    spread = math.sqrt((squares + ASSUMED_JOBS * ASSUMED_SPREAD**2) / (count - 1 + ASSUMED_JOBS) * (1 + 1 / count))
    return Expectation(math.exp(mean - EARLY * spread), math.exp(mean), math.exp(mean + LATE * spread))


MOST_JOBS, MOST_KINDS, MOST_DURATIONS = 1000, 100, 100  # that are remembered; the oldest are forgotten

Kind = tuple[str, ...]  # the model's name and the size: jobs of one kind take about equally long


@attrs.define
class _Job:
    kind: Kind
    submitted_at: float
    finished_at: float | None = None
    learned: bool = False


class JobMemory:
    """The jobs that one client has submitted, and how long those of each kind took. Bounded and thread-safe.

    There is no lock, which a fork could leave locked: each value is replaced in one step. If two threads learn about
    the same kind of job at the same instant, one of the two durations may be lost.

    Args:
        policy: The pace of the client's status checks. It tells how long they may be apart.
    """

    def __init__(self, policy: PollPolicy | None = None) -> None:
        self._longest_gap = 1.25 * FAR * (policy or PollPolicy()).max_interval  # requests take time, too
        self._jobs: dict[str, _Job] = {}
        self._durations: dict[Kind, tuple[float, ...]] = {}

    def accepted(self, job_id: str, kind: Kind, at: float) -> None:
        """Remember a job that was accepted, at this time of the transport's clock."""
        self._jobs[job_id] = _Job(kind, at)
        if len(self._jobs) > MOST_JOBS:
            _forget_oldest(self._jobs, MOST_JOBS)

    def with_age(self, status: JobStatusResponse, at: float) -> JobStatusResponse:
        """Add the job's model and its age in seconds, which stops growing when it is first seen finished.

        The status of a job that this client did not submit is returned as it is.
        """
        job = self._jobs.get(status.job_id)
        if job is None:
            return status
        if job.finished_at is None and status.status in FINISHED:
            job.finished_at = at
        seen = at if job.finished_at is None else job.finished_at
        return attrs.evolve(status, model=job.kind[0], elapsed=seen - job.submitted_at)

    def submitted_at(self, job_id: str) -> float | None:
        """Return when a job was accepted, if this client submitted it."""
        job = self._jobs.get(job_id)
        return None if job is None else job.submitted_at

    def expectation(self, job_id: str) -> Expectation | None:
        """Return what is expected of a job, if this client submitted it and enough others of its kind."""
        job = self._jobs.get(job_id)
        return None if job is None else expect(self._durations.get(job.kind, ()))

    def completed(self, job_id: str, at: float, last_seen_running: float) -> None:
        """Learn, once for each job, how long it took.

        It finished between two status checks: halfway, if nothing is expected of it. If the earlier check was before
        the earliest expected moment, it finished halfway between that moment and the later check. When the checks were
        further apart than ours ever are, for example because the caller came back hours later, nothing is learned.
        """
        job = self._jobs.get(job_id)
        if job is None or job.learned or at - last_seen_running > self._longest_gap:
            return
        job.learned = True
        since = last_seen_running
        durations = self._durations.get(job.kind, ())
        expected = expect(durations)
        if expected is not None and job.submitted_at + expected.earliest < at:
            since = max(since, job.submitted_at + expected.earliest)
        seconds = max((since + at) / 2 - job.submitted_at, 0.001)  # whose logarithm exists
        self._durations[job.kind] = (*durations, seconds)[-MOST_DURATIONS:]
        if len(self._durations) > MOST_KINDS:
            _forget_oldest(self._durations, MOST_KINDS)


def _forget_oldest(memory: dict[Any, Any], most: int) -> None:
    """Forget the oldest values, and keep the ``most`` that came last."""
    for oldest in list(memory)[:-most]:
        memory.pop(oldest, None)
