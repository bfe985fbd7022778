"""Jobs on a virtual clock: those of a pool, against two servers in the same process, and those of a single waiter.

- ``VirtualEmulator`` keeps a log of all requests and sleeps, so its own memory grows with the number of jobs.
- ``VirtualServer`` forgets a job once its result was requested, so that what grows is ours.

This module imports decart, so it is imported only once ``peers.make`` has put this checkout on the path.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server import VIDEO, Durations

from decart import DecartClient, models
from decart.emulator import VirtualEmulator
from decart.jobs import JobStatusResponse
from decart.polling import JobPoll, Wait
from decart.transports.base import HttpRequest, HttpResponse, Timeout

Report = dict[str, float]
JOB: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake at sunset"}


class VirtualServer:
    """A transport that simulates a server which responds at once; only ``sleep`` advances its clock.

    Attributes:
        checks: Status checks so far.
        lag: Seconds from the completion of a job to the request for its result, of all jobs together.
        worst: The longest of these.
    """

    has_virtual_clock = True

    def __init__(self, durations: Durations) -> None:
        self._durations = durations
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}
        self._now = self.lag = self.worst = 0.0
        self._submits = self.checks = 0

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        if cancel is None or not cancel.is_set():
            with self._lock:
                self._now += seconds

    def close(self) -> None:
        pass

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        with self._lock:
            if request.url.endswith("/content"):
                lag = self._now - self._due.pop(request.url.split("/")[-2])
                self.lag += lag
                self.worst = max(self.worst, lag)
                head = {"Content-Type": "video/mp4", "Content-Length": str(VIDEO)}
                return HttpResponse(200, head, [bytes(VIDEO)])
            if request.method == "POST":
                job_id = f"job-{self._submits}"
                self._due[job_id] = self._now + self._durations.of(self._submits)
                self._submits += 1
            else:
                job_id = request.url.rpartition("/")[2]
                self.checks += 1
            status = "completed" if self._now >= self._due[job_id] else "processing"
        body = json.dumps({"job_id": job_id, "status": status}).encode()
        return HttpResponse(200, {"Content-Type": "application/json"}, [body])


@contextmanager
def opened(server: str, shortest: float, longest: float) -> Iterator[tuple[DecartClient, Callable[[], Report]]]:
    """Open a client of the ``server``, or of the ``emulator``, whose jobs take equally long, and what reports on it."""
    if server == "emulator":
        with VirtualEmulator(pending=0, processing=(shortest + longest) / 2) as emulator, emulator.client() as client:
            yield client, lambda: {"virtual": emulator.clock.now()}
    else:
        ours = VirtualServer(Durations(shortest, longest))
        with DecartClient("dct_benchmark", transport=ours) as client:
            yield client, lambda: {"checks": ours.checks, "virtual": ours.now(), "lag": ours.lag, "worst": ours.worst}


def save(client: DecartClient, many: int, in_flight: int, folder: Path) -> int:
    """Run jobs in a pool, save each to a file, keep nothing of it in memory, and return how many were completed."""
    jobs = (JOB for _ in range(many))
    with client.queue.pool(max_in_flight=in_flight) as pool:
        results = pool.map(jobs, order_outputs=False, save_to=str(folder / "{index:05}.mp4"))
        return sum(result.status == "completed" for result in results)


def wait_for(duration: float) -> tuple[int, float]:
    """Return the status checks of a single waiter for one job with the default pace, and the lag of the last one."""
    poll = JobPoll(job_id="job", started=0.0)
    now, step = 0.0, poll.observe(JobStatusResponse(job_id="job", status="pending"), 0.0)  # the submit's response
    while isinstance(step, Wait):
        now += step.seconds
        status = "completed" if now >= duration else "processing"
        step = poll.observe(JobStatusResponse(job_id="job", status=status), now)
    return poll.checks - 1, now - duration


def single_waiter(shortest: float, longest: float, many: int, repeats: int = 20) -> dict[str, Any]:
    """Return the mean status checks and lag of a single waiter for each of ``many`` jobs."""
    random.seed(1)  # for the jitter
    durations = Durations(shortest, longest)
    waits = [wait_for(durations.of(number)) for _ in range(repeats) for number in range(many)]
    checks, lags = zip(*waits, strict=True)
    return {"checks": sum(checks) / len(checks), "lag": sum(lags) / len(lags), "worst": max(lags), "correct": True}
