"""Videos that are made by workers which are killed, and what that must not cost."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workers.running import small_environment

from decart import DecartClient, JobRecord
from decart.emulator import EmulatorServer, VirtualEmulator
from decart.integrations.sql import SQLAlchemyJournal
from support.crashes import BROKEN, FAILED
from support.labelled import content, render
from support.postgres import PostgreSQL

KILLED = -9


@contextmanager
def started() -> Iterator[tuple[EmulatorServer, subprocess.Popen[str]]]:
    """Start a server, and the program that forks the workers."""
    emulator = VirtualEmulator(pending=0, processing=1.0, renderer=render)
    command = [sys.executable, "-W", "error", "-m", "support.crashes"]
    with (
        EmulatorServer(emulator, seconds_per_check=0.6) as server,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=small_environment(), text=True
        ) as program,
    ):
        try:
            yield server, program
        finally:
            assert program.stdin is not None
            program.stdin.close()


class Workshop:
    """Runs workers until all their videos are made, and checks what it cost.

    Attributes:
        kills: Workers that were killed.
        unknown: Labels whose outcome was unknown, and which the test settled.
        routes: How many requests of each kind reached the server in the rounds that are done.
        labels: The labels of the present round; they end with their index, as those do that a pool makes.
    """

    def __init__(self, folder: Path, server: EmulatorServer, program: subprocess.Popen[str]) -> None:
        self.folder, self.server, self.program = folder, server, program
        self.kills = self.unknown = self.rounds = self.broken = 0
        self.labels: list[str] = []
        self.postgres: PostgreSQL | None = None
        self.routes = Counter[str]()

    def run(self, folder: Path, plans: list[dict[str, Any]]) -> list[int]:
        """Run workers once, and return their exit codes."""
        if self.postgres is not None:
            plans = [plan | {"database": self.postgres.url} for plan in plans]
        order = {"url": self.server.url, "folder": str(folder), "labels": self.labels, "plans": plans}
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(json.dumps(order) + "\n")
        self.program.stdin.flush()
        codes: list[int] = json.loads(self.program.stdout.readline())
        self.kills += codes.count(KILLED)
        self.broken += sum(code != KILLED and bool(code & BROKEN) for code in codes)
        assert all(code == KILLED or not code & FAILED for code in codes)
        assert self.postgres is not None or not self.broken
        return codes

    def client(self, folder: Path) -> DecartClient:
        """Return a client with the journal of the workers."""
        journal = folder / "jobs.db" if self.postgres is None else SQLAlchemyJournal(self.postgres.url)
        return DecartClient("dct_test", base_url=self.server.url, journal=journal)

    def make(self, number: int, *plans: list[dict[str, Any]]) -> None:
        """Make some videos: run workers by each of the plans, then others until all is done, and check everything.

        Some workers come upon what others left unknown, and some after a person has decided about it.
        """
        folder = self.begin(number)
        for plan in plans:
            restart = threading.Thread(target=getattr(self.postgres, "restart", bool))
            restart.start()
            self.run(folder, plan)
            restart.join()
            self.settle_perhaps(folder)
        self.finish(folder)

    def begin(self, number: int) -> Path:
        """Begin a round with new labels and an empty request log, which is limited; return its folder."""
        self.server.emulator.requests.clear()
        self.rounds += 1
        self.labels = [f"label-{self.rounds}-{index}" for index in range(number)]
        folder = self.folder / str(self.rounds)
        folder.mkdir()
        return folder

    def finish(self, folder: Path) -> None:
        """Run workers until all videos are made, and check everything."""
        while any(self.run(folder, [self.last_plan()])):
            self.settle(folder)
        self.check(folder)

    def last_plan(self) -> dict[str, Any]:
        """Return a plan for a worker that is not killed."""
        return {"how": random.choice(["", "resume"])}

    def jobs(self) -> dict[str, list[str]]:
        """Return the jobs that the service has accepted for each label."""
        found: dict[str, list[str]] = {}
        for request in self.server.emulator.requests.submits:
            if request.job_id is not None:
                found.setdefault(request.fields["prompt"].removeprefix("The video of "), []).append(request.job_id)
        return found

    def label_of(self, label: str) -> str:
        """Return the label that one stands for which a pool has made; one of ours stands for itself."""
        return label if label.startswith("label-") else self.labels[int(label.rpartition("-")[2])]

    def settle(self, folder: Path) -> None:
        """Decide about what workers found unknown, as a person does who sees what the service has."""
        with self.client(folder) as client:
            open_ones = [record for record in client.jobs.pending() if record.state == "unknown"]
            if open_ones:
                await_silence(self.server.url)
            jobs = self.jobs()
            for record in open_ones:
                found = jobs.get(self.label_of(record.label), [])
                assert len(found) <= 1
                client.jobs.settle(record.label, job_id=found[0] if found else None)
                self.unknown += 1

    def settle_perhaps(self, folder: Path) -> None:
        if random.random() < 0.5:
            self.settle(folder)

    def check(self, folder: Path) -> None:
        """Check that each video was paid for once and is saved, and that nothing else is left."""
        with self.client(folder) as client:
            assert client.jobs.pending() == []
            records: dict[str, list[JobRecord]] = {label: [] for label in self.labels}
            for record in client.jobs:
                if record.state != "refused":
                    records.setdefault(self.label_of(record.label), []).append(record)
        jobs = self.jobs()
        for label in self.labels:
            (record,), target = records[label], folder / f"{label}.mp4"
            assert jobs[label] == [record.job_id], label
            assert (record.state, record.saved_to) == ("delivered", str(target))
            assert target.read_bytes() == content(f"The video of {label}")
        self.routes.update(request.route for request in self.server.emulator.requests)
        journal = {"jobs.db"} if self.postgres is None else set()
        assert {path.name for path in folder.iterdir()} == journal | {f"{label}.mp4" for label in self.labels}


def await_silence(url: str) -> None:
    """Wait until the server has noticed that the connections of killed workers are gone."""
    port = f":{int(url.rpartition(':')[2]):04X}"
    while True:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
        if not [row for row in rows if row[1].endswith(port) and row[3] in ("01", "08")]:  # established, close-wait
            return
