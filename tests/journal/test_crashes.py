"""A worker that is killed, at each step and at random, and restarted, pays for each video once and saves them all.

``CRASHES`` says how many kills there are in all.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.crashes import BROKEN, FAILED
from support.labelled import accepted, content, render
from support.postgres import PostgreSQL, server
from workers.running import small_environment

from decart import DecartClient
from decart.emulator import EmulatorServer, VirtualEmulator
from decart.integrations.sql import SQLAlchemyJournal

CRASHES = int(os.environ.get("CRASHES", "300"))
AT_STEPS = 60  # at least so many are killed at named steps
KILLED = -9
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")]


class Workshop:
    """Runs workers until all their videos are made, and checks what it cost.

    Attributes:
        kills: Workers that were killed.
        unknown: Labels whose outcome was unknown, and which the test settled.
    """

    def __init__(self, folder: Path, server: EmulatorServer, program: subprocess.Popen[str]) -> None:
        self.folder, self.server, self.program = folder, server, program
        self.kills = self.unknown = self.rounds = self.broken = 0
        self.postgres: PostgreSQL | None = None

    def run(self, folder: Path, labels: list[str], plans: list[dict[str, Any]]) -> list[int]:
        """Run workers once, and return their exit codes."""
        if self.postgres is not None:
            plans = [plan | {"database": self.postgres.url} for plan in plans]
        order = {"url": self.server.url, "folder": str(folder), "labels": labels, "plans": plans}
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
        """Make some videos: run workers by each of the plans, then others until all is done, and check everything."""
        self.rounds += 1
        folder = self.folder / str(self.rounds)
        folder.mkdir()
        labels = [f"label-{self.rounds}-{index}" for index in range(number)]
        for plan in plans:
            restart = threading.Thread(target=getattr(self.postgres, "restart", bool))
            restart.start()
            self.run(folder, labels, plan)
            restart.join()
            self.settle(folder)
        while any(self.run(folder, labels, [{"how": random.choice(["", "resume"])}])):
            self.settle(folder)
        self.check(folder, labels)

    def jobs_of(self, label: str) -> list[str]:
        """Return the jobs that the service has accepted for a label."""
        log = [one for one in self.server.emulator.requests if one.fields.get("prompt") == f"The video of {label}"]
        return [one.job_id for one in log if one.job_id is not None]

    def settle(self, folder: Path) -> None:
        """Decide about what workers found unknown, as a person does who sees what the service has."""
        with self.client(folder) as client:
            open_ones = [record for record in client.jobs.pending() if record.state == "unknown"]
            if open_ones:
                await_silence(self.server.url)
            for record in open_ones:
                found = self.jobs_of(record.label)
                assert len(found) <= 1
                client.jobs.settle(record.label, job_id=found[0] if found else None)
                self.unknown += 1

    def check(self, folder: Path, labels: list[str]) -> None:
        with self.client(folder) as client:
            assert client.jobs.pending() == []
            for label in labels:
                record = client.jobs.get(label)
                assert record is not None
                assert self.jobs_of(label) == [record.job_id], label
                assert record.state == "delivered"
                assert record.saved_to == str(folder / f"{label}.mp4")
                assert Path(record.saved_to).read_bytes() == content(f"The video of {label}")
        journal = {"jobs.db"} if self.postgres is None else set()
        assert {path.name for path in folder.iterdir()} == journal | {f"{label}.mp4" for label in labels}


def await_silence(url: str) -> None:
    """Wait until the server has noticed that the connections of killed workers are gone."""
    port = f":{int(url.rpartition(':')[2]):04X}"
    while True:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
        if not [row for row in rows if row[1].endswith(port) and row[3] in ("01", "08")]:  # established, close-wait
            return


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    emulator = VirtualEmulator(pending=0, processing=1.0, renderer=render)
    command = [sys.executable, "-W", "error", "-m", "support.crashes"]
    with (
        EmulatorServer(emulator, seconds_per_check=0.6) as server,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=small_environment(), text=True
        ) as program,
    ):
        try:
            yield Workshop(tmp_path, server, program)
        finally:
            assert program.stdin is not None
            program.stdin.close()
        assert len(accepted(emulator)) == len(set(accepted(emulator)))


def steps_of(workshop: Workshop, **plan: Any) -> list[str]:
    """Return the steps of a worker that is not killed."""
    note = workshop.folder / "steps.json"
    workshop.make(1, [plan | {"note": str(note)}])
    steps: list[str] = json.loads(note.read_text())
    return steps


@pytest.mark.parametrize("transport", ["requests", "urllib3"])
def test_a_worker_may_be_killed_at_each_step(workshop: Workshop, transport: str) -> None:
    steps = steps_of(workshop, transport=transport)
    assert {"before insert", "after sending None", "upload", "POST", "response POST", "before accepted None"} < set(
        steps
    )
    assert {"before accepted pending", "after completed completed", "download", "os.rename"} < set(steps)
    assert {"before delivered completed", "after delivered completed"} < set(steps)
    for number in range(len(steps)):
        workshop.make(1, [{"at": number, "transport": transport}])
    print(f"{transport}: {workshop.kills} kills at {len(set(steps))} kinds of steps, {workshop.unknown} unknown")
    assert workshop.kills >= max(AT_STEPS // 2, 0.9 * len(steps))


def plans_of(workers: int, how: list[str], longest: float) -> list[dict[str, Any]]:
    """Return plans for workers that are killed at random times."""
    return [
        {
            "after": random.uniform(0.001, longest),
            "how": random.choice(how),
            "transport": random.choice(["requests", "urllib3"]),
        }
        for _ in range(workers)
    ]


@pytest.mark.parametrize(
    ("workers", "how", "share"),
    [(1, ["", "submit first", "resume", "async"], 0.4), (2, ["", "submit first"], 0.4), (1, ["fork"], 0.2)],
    ids=["one", "two that race", "one that forks"],
)
def test_workers_may_be_killed_at_any_time(workshop: Workshop, workers: int, how: list[str], share: float) -> None:
    wanted = max(5, round(share * max(0, CRASHES - AT_STEPS)))
    while workshop.kills < wanted:
        workshop.make(3, *(plans_of(workers, how, 0.12 * workers) for _ in range(4)))
    print(f"{workshop.kills} kills in {workshop.rounds} rounds, {workshop.unknown} unknown")


def test_eight_processes_submit_a_label_once(workshop: Workshop) -> None:
    workshop.make(3, [{}] * 8)
    assert (workshop.kills, workshop.unknown) == (0, 0)


def test_the_database_may_be_restarted_in_between(workshop: Workshop) -> None:
    with server() as postgres:
        workshop.postgres = postgres
        while not workshop.broken or workshop.rounds < max(2, CRASHES // 100):
            workshop.make(3, [{}, {}], plans_of(2, ["", "submit first"], 1.0), [{}])
        print(f"{workshop.kills} kills, {workshop.broken} broken journals, {workshop.unknown} unknown")
