"""A pool of 50 jobs that is killed or interrupted, at each step and at random, and run again, pays for each job once.

``CRASHES`` says how many are killed in all, together with the workers of `tests/journal/test_crashes.py`.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.crashes import DONE, INTERRUPTED, UNKNOWN
from support.pooled import NOTES
from support.workshop import KILLED, Workshop, started

from decart import JobRecord, SQLiteJournal

CRASHES = int(os.environ.get("CRASHES", "300"))
JOBS = 50
MOST_ROUNDS = 10 + CRASHES // 50  # one or two suffice, unless a step never happens
TRANSPORTS = ["requests", "urllib3", "aiohttp"]
STEPS = [
    *("before insert", "after insert", "before sending None", "after sending None", "POST", "upload", "response POST"),
    *("before accepted None", "after accepted None", "before accepted pending", "after accepted pending"),
    *("GET", "response GET", "before accepted processing", "after accepted processing", "completed"),
    *("before completed completed", "after completed completed", "download", "open", "os.rename", "os.remove"),
    *("before delivered completed", "after delivered completed"),
]
"""A change of a record with its state and status, a request, a response, bytes that were moved, or a system call."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")]


class PoolWorkshop(Workshop):
    """Runs pools, and checks after each run that it made no request for a video that was saved before.

    Attributes:
        interrupts: Runs that Ctrl-C ended.
    """

    interrupts = 0

    def run(self, folder: Path, plans: list[dict[str, Any]]) -> list[int]:
        saved = {record.job_id for record in records(folder) if record.state == "delivered"}
        log = self.server.emulator.requests
        before = len(log)
        codes = super().run(folder, plans)
        requested = {request.job_id for request in log[before:]}
        assert not requested & saved
        if INTERRUPTED in codes:
            self.interrupts += 1
            self.check_notes(folder, requested)
        return codes

    def check_notes(self, folder: Path, requested: set[str | None]) -> None:
        """Check that an interrupted run left no submit behind, and named the jobs that it did not see the end of."""
        notes = folder / NOTES
        said = " ".join(json.loads(notes.read_text()))
        notes.unlink()
        assert {record.state for record in records(folder)} <= {"accepted", "completed", "delivered", "refused"}
        running = {record.job_id for record in records(folder) if record.state in ("accepted", "completed")}
        named = {job_id for jobs in self.jobs().values() for job_id in jobs if job_id in said}
        assert requested & running <= named <= running

    def last_plan(self) -> dict[str, Any]:
        return plan()


def records(folder: Path) -> list[JobRecord]:
    """Return the journal of the workers."""
    with closing(SQLiteJournal(folder / "jobs.db")) as journal:
        return list(journal.select())


@pytest.fixture(scope="module")
def machinery() -> Iterator[Any]:
    with started() as machinery:
        yield machinery


@pytest.fixture
def workshop(tmp_path: Path, machinery: Any) -> PoolWorkshop:
    return PoolWorkshop(tmp_path, *machinery)


def plan(transport: str | None = None, **options: Any) -> dict[str, Any]:
    """Return a plan for a pool."""
    limits = {"max_in_flight": random.randint(3, 12), "workers": random.randint(3, 8)}
    return {"transport": transport or random.choice(TRANSPORTS), "pool": limits} | options


def moment(step: str | float) -> dict[str, Any]:
    """Return the part of a plan that ends it at a step, or at a random time within so many seconds."""
    return {"at": [step, random.randrange(3)]} if isinstance(step, str) else {"after": random.uniform(0.01, step)}


def end_at_each(workshop: PoolWorkshop, transport: str | None, moments: Sequence[str | float], **how: Any) -> None:
    """End a pool at each of these moments, in any order; begin with new jobs whenever all are done."""
    left = random.sample(moments, len(moments))
    while left:
        assert workshop.rounds < MOST_ROUNDS, left[-1]
        folder = workshop.begin(JOBS)
        while left and workshop.run(folder, [plan(transport, **moment(left[-1]), **how)])[0] in (KILLED, INTERRUPTED):
            workshop.settle_perhaps(folder)
            left.pop()
        workshop.settle(folder)
        workshop.finish(folder)


def figures(workshop: PoolWorkshop) -> str:
    routes = ", ".join(f"{workshop.routes[route]} {route}" for route in ("submit", "status", "content"))
    return (
        f"{workshop.kills} kills, {workshop.interrupts} interrupts, {workshop.rounds * JOBS} labels, {routes}, "
        f"{workshop.unknown} unknown"
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_pool_may_be_killed_at_each_step(workshop: PoolWorkshop, transport: str) -> None:
    end_at_each(workshop, transport, STEPS)
    print(f"{transport}: {figures(workshop)}")
    assert workshop.kills == len(STEPS)


@pytest.mark.heavy
def test_a_pool_may_be_killed_at_any_time(workshop: PoolWorkshop) -> None:
    kills = round(0.06 * CRASHES)
    end_at_each(workshop, None, [0.1] * kills)
    print(f"at random: {figures(workshop)}")
    assert workshop.kills == kills


@pytest.mark.heavy
def test_two_pools_with_the_same_labels_may_be_killed_at_any_time(workshop: PoolWorkshop) -> None:
    while workshop.kills < 0.03 * CRASHES:
        workshop.make(JOBS, *([plan(**moment(0.2)), plan(**moment(0.2))] for _ in range(6)))
    print(f"two that race: {figures(workshop)}")


def test_two_pools_share_the_jobs_of_the_same_labels(workshop: PoolWorkshop) -> None:
    folder = workshop.begin(JOBS)
    assert workshop.run(folder, [plan("hasty"), plan("hasty")]) == [DONE, DONE]
    workshop.check(folder)
    assert (workshop.routes["submit"], workshop.routes["content"]) == (JOBS, JOBS)


def test_a_pool_takes_over_from_another_that_was_killed(workshop: PoolWorkshop) -> None:
    while not workshop.kills:  # or the other one was so fast that it did all
        folder = workshop.begin(JOBS)
        _, other = workshop.run(folder, [plan("hasty", at=["response GET", 5]), plan("hasty")])
        workshop.settle(folder)
        assert other == (UNKNOWN if workshop.unknown else DONE)
        workshop.finish(folder)
    print(f"two of which one is killed: {figures(workshop)}")


@pytest.mark.heavy
@pytest.mark.parametrize("transport", ["requests", "aiohttp"])
def test_an_interrupted_pool_names_what_runs_and_is_continued(workshop: PoolWorkshop, transport: str) -> None:
    steps = ["after insert", "POST", "before accepted None", "response GET", "os.rename", "after delivered completed"]
    moments = [*steps, *[0.2] * (CRASHES // 150)]
    end_at_each(workshop, transport, moments, interrupt=True)
    print(f"{transport}: {figures(workshop)}")
    assert (workshop.kills, workshop.unknown, workshop.interrupts) == (0, 0, len(moments))
