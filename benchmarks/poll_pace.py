"""How often jobs are looked at, and how late their ends are seen: a constant 1.5 s, the default pace, the learned one.

Run: python benchmarks/poll_pace.py [--jobs 1000] [--seed 1] [--picture docs/poll-pace.png]
Needs: pip install . matplotlib

A simulation on a virtual clock, through a ``DecartClient`` and a scripted service that answers in no time. For each
pace a new client waits for ten jobs that are not counted, and then for a thousand. Durations are log-normal around 30 s
and around 5 s, with a sigma of 0.25, the same for each pace. "frozen" starts each of the thousand with a client that
has seen the ten and nothing else.

What to look at: the learned pace has at most 0.6 times the looks of a constant 1.5 s, and no more mean lag than it.
"""

from __future__ import annotations

import argparse
import bisect
import copy
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
PACES = {
    "constant 1.5 s": PollPolicy(interval=1.5, max_interval=1.5, backoff=1.0, jitter=0),
    "default, not learned": PollPolicy(learn=False),
    "learned": PollPolicy(),
    "learned, frozen at ten": PollPolicy(),
}
JOB: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake at sunset"}


@attrs.define
class Seen:
    """What was seen of one job: when it was looked at, and when it ended, in seconds since its submit."""

    duration: float
    looks: list[float] = attrs.field(factory=list)

    @property
    def lag(self) -> float:
        return self.looks[-1] - self.duration


class Service:
    """A service whose jobs take as long as they are told to, on a clock that only sleeping moves."""

    def __init__(self, durations: Iterator[float]) -> None:
        self._durations = durations
        self._now = self._submitted = 0.0
        self.jobs: list[Seen] = []

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
            self.jobs.append(Seen(next(self._durations)))
            self._submitted = self._now
        else:
            job = self.jobs[-1]
            job.looks.append(self._now - self._submitted)
            status = "completed" if job.looks[-1] >= job.duration else "processing"
        body = json.dumps({"job_id": f"job-{len(self.jobs)}", "status": status}).encode()
        return HttpResponse(200, {"Content-Type": "application/json"}, [body])


def durations(median: float, seed: int) -> Iterator[float]:
    """Give durations for ever, the same ones for the same seed."""
    chance = random.Random(seed)
    while True:
        yield chance.lognormvariate(math.log(median), SIGMA)


def simulate(pace: str, median: float, jobs: int, seed: int) -> list[Seen]:
    """Wait for jobs at a pace, and return what was seen of them."""
    random.seed(seed)  # for the jitter
    service = Service(durations(median, seed))
    client = DecartClient("dct_benchmark", transport=service, poll=PACES[pace])
    for number in range(WARM_UP + jobs):
        if number == WARM_UP:
            known = copy.deepcopy(client._core.durations)
        if number > WARM_UP and pace.endswith("frozen at ten"):
            client._core.durations = copy.deepcopy(known)
        client.queue.submit_and_poll(JOB)
    return service.jobs[WARM_UP:]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def table(results: dict[tuple[float, str], list[Seen]]) -> str:
    """Tell the results in lines of text."""
    lines = [f"{'jobs around':<12}{'pace':<24}{'looks per job':>14}{'mean lag':>11}{'looks':>9}{'lag':>7}"]
    for (median, pace), jobs in results.items():
        looks, lag = mean([len(job.looks) for job in jobs]), mean([job.lag for job in jobs])
        base = results[median, "constant 1.5 s"]
        ratio = looks / mean([len(job.looks) for job in base]), lag / mean([job.lag for job in base])
        lines.append(
            f"{f'{median:g} s':<12}{pace:<24}{looks:>14.2f}{f'{lag:.2f} s':>11}{ratio[0]:>8.2f}x{ratio[1]:>6.2f}x"
        )
    return "\n".join(lines)


def draw(results: dict[tuple[float, str], list[Seen]], path: Path) -> None:
    """Draw where the looks fall, and what they cost."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    colors = dict(zip(PACES, ("#8a8f98", "#d9822b", "#1f6feb"), strict=False))
    figure, axes = plt.subplots(2, 3, figsize=(13, 7), width_ratios=(2.4, 1, 1), layout="constrained")
    for row, median in zip(axes, MEDIANS, strict=True):
        _draw_looks(row[0], {pace: results[median, pace] for pace in colors}, colors, median)
        for axis, name, value in (
            (row[1], "looks per job", lambda job: len(job.looks)),
            (row[2], "mean lag, seconds", lambda job: job.lag),
        ):
            heights = [mean([value(job) for job in results[median, pace]]) for pace in colors]
            bars = axis.bar(list(colors), heights, color=list(colors.values()), width=0.62)
            axis.bar_label(bars, fmt="%.2f", label_type="center", color="white", weight="bold")
            limit = heights[0] * (0.6 if "looks" in name else 1.0)
            axis.axhline(limit, color="#c22f2f", linestyle="--", linewidth=1.2)
            axis.text(2.58, limit, "at most", color="#c22f2f", ha="left", va="center", fontsize=9)
            axis.set(title=name, xlim=(-0.5, 2.5), ylim=(0, max(heights) * 1.08))
            axis.set_xticks(range(3), ["constant\n1.5 s", "default", "learned"])
            axis.spines[["top", "right"]].set_visible(False)
    count = len(results[MEDIANS[0], "learned"])
    figure.suptitle(f"Few looks, little lag: {count:,} jobs of each length, after ten to learn from", fontsize=14)
    figure.savefig(path, dpi=110)


def _draw_looks(axis: Any, results: dict[str, list[Seen]], colors: dict[str, str], median: float) -> None:
    """Draw how many looks a job has had that is still going, above the jobs' ends."""
    end, points = median * 1.75, 400
    times = [end * number / points for number in range(points)]
    for pace, jobs in results.items():
        made = []
        for time in times:
            going = [job for job in jobs if job.looks[-1] >= time]
            made.append(mean([bisect.bisect(job.looks, time) for job in going]) if len(going) > 9 else math.nan)
        axis.plot(times, made, color=colors[pace], label=pace, linewidth=2.6 if pace == "learned" else 1.6)
    ends = axis.twinx()
    ends.hist([job.duration for job in results["learned"]], bins=40, range=(0, end), color="#1a7f37", alpha=0.18)
    ends.set_yticks([])
    ends.spines[["top", "right"]].set_visible(False)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set(xlim=(0, end), xlabel="seconds since the submit", ylabel="looks so far, at a job still going")
    axis.set_ylim(bottom=0)
    axis.set_title(f"jobs around {median:g} s (green: when they end)", loc="left")
    axis.legend(frameon=False, loc="upper left")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path, help="where to draw it; no picture unless given")
    asked = parser.parse_args()
    results = {(median, pace): simulate(pace, median, asked.jobs, asked.seed) for median in MEDIANS for pace in PACES}
    print(table(results))
    if asked.picture is not None:
        draw(results, asked.picture)


if __name__ == "__main__":
    main()
