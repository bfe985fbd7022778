"""Compare the status checks and the lag of three paces: a constant 1.5 s, the default, and the learned one.

Run: python benchmarks/poll_pace.py [--jobs 1000] [--seed 1] [--picture docs/poll-pace.png]
Needs: pip install . matplotlib

This simulates a ``DecartClient`` with a server that responds instantly, on a virtual clock. The durations of the jobs
are log-normal around 30 s and around 5 s, with a sigma of 0.25, and the same for each pace. The lag of a job is the
time from its end to the status check that detects it.

- "learned": one client waits for ten uncounted jobs and then for a thousand, and keeps learning.
- "learned, frozen at ten": each of the thousand jobs has its own client, which has waited for ten other jobs before.
- "default, not learned": each of the thousand jobs has its own client, which has waited for no other job.

The target: the learned pace needs at most 0.6 times the status checks of a constant 1.5 s, with no more mean lag.
"""

from __future__ import annotations

import argparse
import bisect
import itertools
import json
import math
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from decart import DecartClient, PollPolicy, models
from decart.transports.base import HttpRequest, HttpResponse, Timeout

SIGMA, WARM_UP = 0.25, 10
MEDIANS = (30.0, 5.0)


@attrs.frozen
class Pace:
    """A way to wait for many jobs.

    Attributes:
        options: The options of each client.
        jobs_before: The number of uncounted jobs that each client waits for first.
        one_client: Whether one client waits for all counted jobs, or a new one for each.
    """

    options: dict[str, Any] = {}
    jobs_before: int = WARM_UP
    one_client: bool = True


PACES = {
    "constant 1.5 s": Pace({"poll": PollPolicy(interval=1.5, max_interval=1.5, backoff=1.0, jitter=0)}),
    "default, not learned": Pace(jobs_before=0, one_client=False),
    "learned": Pace(),
    "learned, frozen at ten": Pace(one_client=False),
}
JOB: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake at sunset"}


@attrs.define
class Job:
    """A job: its duration, and the times of its status checks, in seconds since the submit."""

    duration: float
    checks: list[float] = attrs.field(factory=list)

    @property
    def lag(self) -> float:
        """Return the seconds between the end of the job and the check that detected it."""
        return self.checks[-1] - self.duration


class Server:
    """A transport that simulates a server whose jobs have given durations; only ``sleep`` advances its clock."""

    def __init__(self, durations: Iterator[float]) -> None:
        self._durations = durations
        self._now = self._submitted = 0.0
        self.jobs: list[Job] = []

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        self._now += seconds

    def close(self) -> None:
        pass

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        if request.url.endswith("/content"):
            return HttpResponse(200, {"Content-Type": "video/mp4", "Content-Length": "5"}, [b"video"])
        status = "pending"
        if request.method == "POST":
            self.jobs.append(Job(next(self._durations)))
            self._submitted = self._now
        else:
            job = self.jobs[-1]
            job.checks.append(self._now - self._submitted)
            status = "completed" if job.checks[-1] >= job.duration else "processing"
        body = json.dumps({"job_id": f"job-{len(self.jobs)}", "status": status}).encode()
        return HttpResponse(200, {"Content-Type": "application/json"}, [body])


def durations(median: float, seed: int) -> Iterator[float]:
    """Yield an endless series of durations, which depends only on the seed."""
    chance = random.Random(seed)
    while True:
        yield chance.lognormvariate(math.log(median), SIGMA)


def simulate(pace: Pace, median: float, jobs: int, seed: int) -> list[Job]:
    """Wait for jobs at a pace, and return the counted ones."""
    random.seed(seed)  # for the jitter
    counted, others = durations(median, seed), durations(median, seed + 1_000_000)
    result: list[Job] = []
    while len(result) < jobs:
        server = Server(itertools.chain(itertools.islice(others, pace.jobs_before), counted))
        client = DecartClient("dct_benchmark", transport=server, **pace.options)
        for _ in range(pace.jobs_before + (jobs if pace.one_client else 1)):
            client.queue.submit_and_poll(JOB)
        result += server.jobs[pace.jobs_before :]
    return result


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def table(results: dict[tuple[float, str], list[Job]]) -> str:
    """Format the results as lines of text."""
    lines = [f"{'jobs around':<12}{'pace':<24}{'checks per job':>15}{'mean lag':>11}{'checks':>10}{'lag':>8}"]
    for (median, pace), jobs in results.items():
        checks, lag = mean([len(job.checks) for job in jobs]), mean([job.lag for job in jobs])
        base = results[median, "constant 1.5 s"]
        ratio = checks / mean([len(job.checks) for job in base]), lag / mean([job.lag for job in base])
        row = f"{f'{median:g} s':<12}{pace:<24}{checks:>15.2f}{f'{lag:.2f} s':>11}"
        lines.append(f"{row}{ratio[0]:>9.2f}x{ratio[1]:>7.2f}x")
    return "\n".join(lines)


def draw(results: dict[tuple[float, str], list[Job]], path: Path) -> None:
    """Plot when the status is checked, and how late the end of a job is detected."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colors = dict(zip(PACES, ("#8a8f98", "#d9822b", "#1f6feb"), strict=False))
    figure, axes = plt.subplots(2, 3, figsize=(13, 7), width_ratios=(2.4, 1, 1), layout="constrained")
    for row, median in zip(axes, MEDIANS, strict=True):
        _draw_checks(row[0], {pace: results[median, pace] for pace in colors}, colors, median)
        for axis, name, value in (
            (row[1], "status checks per job", lambda job: len(job.checks)),
            (row[2], "mean lag, seconds", lambda job: job.lag),
        ):
            heights = [mean([value(job) for job in results[median, pace]]) for pace in colors]
            bars = axis.bar(list(colors), heights, color=list(colors.values()), width=0.62)
            axis.bar_label(bars, fmt="%.2f", label_type="center", color="white", weight="bold")
            limit = heights[0] * (0.6 if "checks" in name else 1.0)
            axis.axhline(limit, color="#c22f2f", linestyle="--", linewidth=1.2)
            axis.text(2.58, limit, "at most", color="#c22f2f", ha="left", va="center", fontsize=9)
            axis.set(title=name, xlim=(-0.5, 2.5), ylim=(0, max(heights) * 1.08))
            axis.set_xticks(range(3), ["constant\n1.5 s", "default", "learned"])
            axis.spines[["top", "right"]].set_visible(False)
    count = len(results[MEDIANS[0], "learned"])
    figure.suptitle(
        f"Fewer status checks, no more lag: {count:,} jobs of each length, after ten to learn from", fontsize=14
    )
    figure.savefig(path, dpi=110)


def _draw_checks(axis: Any, results: dict[str, list[Job]], colors: dict[str, str], median: float) -> None:
    """Plot how often a running job has been checked, and when the jobs end."""
    end, points = median * 1.75, 400
    times = [end * number / points for number in range(points)]
    for pace, jobs in results.items():
        made = []
        for time in times:
            running = [job for job in jobs if job.checks[-1] >= time]
            made.append(mean([bisect.bisect(job.checks, time) for job in running]) if len(running) > 9 else math.nan)
        axis.plot(times, made, color=colors[pace], label=pace, linewidth=2.6 if pace == "learned" else 1.6)
    ends = axis.twinx()
    ends.hist([job.duration for job in results["learned"]], bins=40, range=(0, end), color="#1a7f37", alpha=0.18)
    ends.set_yticks([])
    ends.spines[["top", "right"]].set_visible(False)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set(xlim=(0, end), xlabel="seconds since the submit", ylabel="status checks so far of a running job")
    axis.set_ylim(bottom=0)
    axis.set_title(f"jobs around {median:g} s (green: when they end)", loc="left")
    axis.legend(frameon=False, loc="upper left")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, help="file to plot the results to")
    asked = parser.parse_args()
    results = {
        (median, pace): simulate(PACES[pace], median, asked.jobs, asked.seed) for median in MEDIANS for pace in PACES
    }
    print(table(results))
    if asked.picture is not None:
        draw(results, asked.picture)


if __name__ == "__main__":
    main()
