"""Celery workers that are killed while they make videos, and what that must not cost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import attrs
from celery import Celery
from workers.running import small_environment

from decart import DecartClient, models
from decart.emulator import EmulatorServer
from decart.integrations.celery import VideoTasks, video_tasks
from support.brokers import Broker
from support.labelled import content

IDLE = 6.0
"""Seconds without a delivered video after which one more worker is started."""

MOST = 4
"""Workers that run at once: more of them only keep a busy machine from its work."""

PATIENCE = 300.0
"""Seconds within which everything ends; never reached when all is well."""


@attrs.define(kw_only=True)
class Farm:
    """Workers, and what they work with.

    Attributes:
        settings: Those of `support.queued`.
        client: A client with the journal of the workers.
        workers: The processes that are running.
        settled: Labels whose outcome was unknown, and about which the test has decided.
    """

    folder: Path
    broker: Broker
    server: EmulatorServer
    client: DecartClient
    settings: dict[str, Any]
    workers: list[subprocess.Popen[bytes]] = attrs.field(factory=list)
    settled: int = 0
    numbers: Iterator[int] = attrs.field(factory=count)

    @property
    def tasks(self) -> VideoTasks:
        """The tasks, to queue them."""
        app = Celery("queued", broker=self.broker.url)
        app.conf.broker_transport_options = self.broker.options
        return video_tasks(app, self.client, chain=not self.settings["sweep"])

    def start_worker(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a worker with two processes."""
        options = f"--concurrency 2 --loglevel WARNING --hostname worker{next(self.numbers)}@%h --without-mingle"
        with (self.folder / "workers.txt").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "celery", "--app", "support.queued", "worker", *options.split(), *arguments],
                env={**small_environment(), "SETTINGS": json.dumps(self.settings)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(worker)
        return worker

    def kill_worker(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill a worker with all its processes."""
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        self.workers.remove(worker)

    def plan_kills(self, places: list[str], number: int) -> None:
        """Let worker processes kill themselves, so many times in all."""
        (self.folder / "kill").mkdir(exist_ok=True)
        for index in range(number):
            (self.folder / "kill" / f"{places[index % len(places)]}-{index}").touch()

    @property
    def kills_left(self) -> int:
        """How many of the planned kills have not happened yet."""
        return len(list((self.folder / "kill").iterdir()))

    def submit(self, label: str) -> None:
        """Queue a job."""
        options = {"model": models.video("lucy-pro-t2v"), "prompt": f"The video of {label}"}
        self.tasks.submit(options, label=label)

    def jobs(self) -> dict[str, list[str]]:
        """Return the jobs that the service has accepted for each label."""
        found: dict[str, list[str]] = {}
        for request in self.server.emulator.requests.submits:
            if request.job_id is not None:
                found.setdefault(request.fields["prompt"].removeprefix("The video of "), []).append(request.job_id)
        return found

    def settle(self) -> None:
        """Decide about labels whose outcome is unknown, as a person does, and queue them again."""
        for record in self.client.jobs.select(states=["unknown"]):
            found = self.jobs().get(record.label, [])
            assert len(found) <= 1, record
            self.client.jobs.settle(record.label, job_id=found[0] if found else None)
            self.settled += 1
            self.submit(record.label)

    def wait_for(self, labels: list[str], number: int) -> None:
        """Wait until so many videos are delivered.

        If nothing happens for a while, start one more worker, and kill an older one if there are many: with Redis, a
        worker looks for the messages of dead ones when it starts, and then every 100 s. The first two workers stay,
        since one of them has the beat.
        """
        start, changed, last = time.monotonic(), time.monotonic(), 0
        while True:
            self.settle()
            records = self.client.jobs.select(states=["delivered"])
            delivered, now = sum(record.label in labels for record in records), time.monotonic()
            if delivered >= number:
                return
            if delivered != last or now > changed + IDLE:
                if delivered == last:
                    if len(self.workers) == MOST:
                        self.kill_worker(self.workers[2])
                    self.start_worker()
                changed, last = now, delivered
            assert now < start + PATIENCE, (delivered, self.log()[-5000:])
            time.sleep(0.2)

    def checks_per_job(self) -> float:
        """Return how many status checks the service has seen for each job."""
        routes = Counter(request.route for request in self.server.emulator.requests)
        return routes["status"] / max(1, len(self.jobs()))

    def drain(self) -> None:
        """Wait until every chain of steps has ended, those included that were forked."""
        end = time.monotonic() + PATIENCE
        while not self.broker.is_empty():
            assert time.monotonic() < end, "a chain does not end"
            time.sleep(0.2)

    def check(self, labels: list[str]) -> None:
        """Check that each video was paid for once and is saved, and that the application was told."""
        jobs = self.jobs()
        told = set((self.folder / "told.txt").read_text().splitlines())
        for label in labels:
            record = self.client.jobs.get(label)
            assert record is not None
            assert jobs[label] == [record.job_id], label
            assert (self.folder / "videos" / f"{label}.mp4").read_bytes() == content(f"The video of {label}"), label
            assert f"{label} delivered" in told
        assert {path.name for path in (self.folder / "videos").iterdir()} == {f"{label}.mp4" for label in labels}

    def log(self) -> str:
        """Return what the workers have written."""
        return (self.folder / "workers.txt").read_text()


@contextmanager
def farm(folder: Path, broker: Broker, server: EmulatorServer, client: DecartClient, **settings: Any) -> Iterator[Farm]:
    """Make a farm without workers; at the end, kill those that are running."""
    common = {"broker": broker.url, "options": broker.options, "service": server.url, "folder": str(folder)}
    special = {"prefetch": 4, "skew": 0, "deadline": 1800, "sweep": False, **settings}
    made = Farm(folder=folder, broker=broker, server=server, client=client, settings={**common, **special})
    try:
        yield made
    finally:
        for worker in list(made.workers):
            if worker.poll() is None:
                made.kill_worker(worker)
