"""How long to wait until the next look at a job, once jobs like it have been seen to the end.

A look before a job can be done is wasted, and a look long after its end is late. Where the ends are likely is learned
from the durations of jobs of the same model and size; nothing of it leaves the memory of one client. The theory:

- Durations are positive and scatter by a share of themselves, so their logarithms are taken to be normal, with the mean
  and the spread of those seen. Few jobs say little about a spread: it starts from a quarter, which weighs as much as
  ten jobs. With fewer than five jobs, or when they are too scattered to say anything, nothing is expected at all.
- Let h(t) be the chance, per second, that a job that is still going at t ends now. A pause p costs a look, and lag of
  about h * p * p / 2. With c for the price of a look, (c + h*p*p/2) / p is least for p = sqrt(2c / h): looks belong as
  dense as the root of h. c is not known, but people wait in seconds: it is set so that the pause at the median duration
  is 0.64 * max_interval. So the next look comes when the looks' density, summed from now, reaches one (J. B. Keller's
  inspection rule). The mean lag comes out at about a third of max_interval, whether jobs take seconds or minutes.

===========================================  ============================================================
time since the submit                        pause
===========================================  ============================================================
job cannot be done: 2 spreads early or more  into the next row, in pauses as long as the bounds below allow
job is about to be done                      ``interval`` to ``max_interval``, as the rule above says
it should be over: 2.5 spreads late or more  the default pace: what was learned does not fit this job
===========================================  ============================================================

What was learned may be wrong for the next job, so it is bounded. With m for ``max_interval``, whatever was learned and
however long the job takes:

- Between the looks at t and x, x <= max(2.4 m, 1.2 * ((t + x) / 2 + m / 2)). The second part says that jobs that end
  evenly in that pause are seen, on average, at no more than 1.2 times the time at which the default pace sees them,
  whose mean lag is m / 2 (if they all end just behind a look, it is up to 1.5 times). The first part is for shorter
  jobs: they are seen by 1.2 times two of the default's longest pauses, 4.8 s.
- No pause exceeds 4 m, so that a change of status does not stay unseen for longer.
- A job that takes longer than expected is seen with a lag of at most m, as by the default pace.
- Looks are at most 1.2 times the default pace's, and one.

More cannot be had together with few looks. To see each job, however short, at 1.2 times the default pace's time, one
must look at 0.6, 1.5, 2.9 and 4.9 s, and that is more often than a constant 1.5 s, for a job of 5 s. A surprise is
learned from, too: a few very short jobs among long ones make the durations scattered, and the pace the default one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import attrs

from .durations import Durations
from .policies import TICK, PollPolicy, pause

FEWEST = 5  # jobs, before anything is expected
PRIOR, PRIOR_WEIGHT = 0.25, 10  # the spread before any job was seen, and the number of jobs that it counts for
SCATTERED = 0.5  # a spread that says nothing: the slow jobs take three times as long as the quick ones
EARLY, LATE = -2.0, 2.5  # in spreads: when a job can be done, and when it should be over
CLOSELY = 0.64  # of max_interval: the pause at the median duration
RARELY = 4.0  # of max_interval: the longest pause while a job cannot be done
FIRST = 2.4  # of max_interval: when a job is first looked at, at the latest
HARM = 1.2  # of the default pace's time to see an end: the most that a wrong expectation may cost, on average
LOOKS = 1.2  # of the default pace's looks: the same
STEPS = 16  # of a sum over one max_interval


@attrs.frozen
class Expected:
    """How long a job takes: its logarithm's mean and spread (seconds)."""

    centre: float
    spread: float

    def at(self, spreads: float) -> float:
        """Return the seconds that lie so many spreads from the median."""
        return math.exp(self.centre + spreads * self.spread)

    def hazard(self, seconds: float) -> float:
        """Return the chance, per second, that a job still going after so many seconds ends now."""
        z = (math.log(seconds) - self.centre) / self.spread
        ends = math.exp(-z * z / 2) / (math.sqrt(2 * math.pi) * self.spread * seconds)
        return ends / max(math.erfc(z / math.sqrt(2)) / 2, 1e-300)


def expect(durations: Sequence[float]) -> Expected | None:
    """Return what jobs that took so many seconds lead one to expect; ``None`` for nothing.

    Example:
        >>> round(expect([29.0, 30.0, 31.0, 28.5, 31.5]).at(0))
        30
    """
    count = len(durations)
    if count < FEWEST:
        return None
    logs = [math.log(seconds) for seconds in durations]
    centre = sum(logs) / count
    squares = sum((log - centre) ** 2 for log in logs) + PRIOR_WEIGHT * PRIOR**2
    spread = math.sqrt(squares / (count - 1 + PRIOR_WEIGHT) * (1 + 1 / count))  # of the next job, not of these
    return Expected(centre, spread) if spread <= SCATTERED else None


def learns(policy: PollPolicy) -> bool:
    """Say whether a pace may be learned: not if the policy says no, nor if it asks for a constant interval."""
    return policy.learn and pause(policy, 1) < pause(policy, 2)


def longest(policy: PollPolicy, elapsed: float) -> float:
    """Return the longest pause that does no harm, ``elapsed`` seconds after the submit; see the module."""
    most = policy.max_interval
    latest = max(FIRST * most, HARM * (elapsed + most) / (2 - HARM))
    return min(latest - elapsed, RARELY * most)


def expected_pause(
    policy: PollPolicy, expected: Expected, *, turn: int, elapsed: float, waited: float, chance: float = 0.0
) -> float:
    """Return the seconds to wait after the ``turn``-th look, as `decart.policies.pause` does for the default pace.

    Args:
        elapsed: Seconds since the submit.
        waited: Seconds since this wait began, which is later if the job is come back to.
        chance: 0 to 1, how much of the jitter is taken off, but not off a pause that only the bounds keep short.

    Example:
        >>> expected = Expected(math.log(30.0), 0.25)
        >>> [round(expected_pause(PollPolicy(), expected, turn=5, elapsed=t, waited=t), 2) for t in (0.0, 10.0, 30.0)]
        [4.8, 8.0, 1.25]
    """
    if elapsed >= expected.at(LATE):
        return pause(policy, turn, chance)
    wanted = max(_until_next(policy, expected, elapsed), policy.interval)
    soonest = default_moment(policy, math.ceil((turn - 1) / LOOKS)) - waited
    return min(max(wanted, soonest) * (1 - policy.jitter * chance), longest(policy, elapsed))


def default_moment(policy: PollPolicy, turn: int) -> float:
    """Return the seconds from the beginning of a wait to the default pace's ``turn``-th look, jitter aside."""
    seconds = 0.0
    for number in range(1, turn + 1):
        one = pause(policy, number)
        if one >= policy.max_interval:
            return seconds + one * (turn - number + 1)
        seconds += one
    return seconds


def _until_next(policy: PollPolicy, expected: Expected, elapsed: float) -> float:
    """Return the seconds until the density of looks, summed from now, is one; ``max_interval`` at most, once it can be.

    What lies before the moment at which a job can be done counts for nothing.
    """
    begin = max(elapsed, expected.at(EARLY))
    usual, step = expected.hazard(expected.at(0)), policy.max_interval / STEPS
    looks = 0.0
    for number in range(STEPS):
        hazard = expected.hazard(begin + step * (number + 0.5))
        share = step * math.sqrt(hazard / usual) / (CLOSELY * policy.max_interval)
        if looks + share >= 1:
            return begin + step * (number + (1 - looks) / share) - elapsed
        looks += share
    return begin + policy.max_interval - elapsed


def lesson(memory: Durations, job_id: str, policy: PollPolicy, now: Callable[[], float]) -> Lesson | None:
    """Return the learning side of a wait; ``None`` for a job of somebody else's, or if nothing is to be learned."""
    begun = memory.begun(job_id)
    if begun is None or not learns(policy):
        return None
    key, at = begun
    return Lesson(job_id, policy, at, now, memory, expect(memory.seen(key)))


@attrs.define
class Lesson:
    """What one wait learns for the next ones, and what it has learned from those before it."""

    job_id: str
    policy: PollPolicy
    began: float
    now: Callable[[], float] = attrs.field(repr=False)
    memory: Durations = attrs.field(repr=False)
    expected: Expected | None
    _started: float = attrs.field(init=False)
    _before: float = attrs.field(init=False)  # when the job was last known to be going

    def __attrs_post_init__(self) -> None:
        self._started, self._before = self.now(), self.began

    def saw(self, status: str) -> None:
        """Take note of a status, and of the job's duration if it has completed.

        The end lies between two looks: half a pause back, on average. A long pause is made where an end is unlikely, so
        if there was one, it was near the next look: half a usual pause back. After a gap that no pace of ours leaves,
        nobody can say. A failure says nothing of how long a success takes.
        """
        at = self.now()
        gap = at - self._before
        ours = gap <= 1.25 * longest(self.policy, self._before - self.began)  # the requests take some time, too
        if status == "completed" and ours:
            back = min(gap, CLOSELY * self.policy.max_interval) / 2
            self.memory.took(self.job_id, max(at - self.began - back, TICK))
        self._before = at

    def pause(self, turn: int, chance: float) -> float:
        """Return the seconds to wait after the ``turn``-th look, with as much of the jitter as chance will have."""
        if self.expected is None:
            return pause(self.policy, turn, chance)
        at = self.now()
        elapsed, waited = at - self.began, at - self._started
        return expected_pause(self.policy, self.expected, turn=turn, elapsed=elapsed, waited=waited, chance=chance)
