"""A worker that is killed, at each step and at random, and restarted, pays for each video once and saves them all.

``CRASHES`` says how many kills there are in all.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.postgres import server
from support.workshop import Workshop, started

CRASHES = int(os.environ.get("CRASHES", "300"))
AT_STEPS = 60  # at least so many are killed at named steps
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")]


@pytest.fixture(scope="module")
def machinery() -> Iterator[Any]:
    with started() as machinery:
        yield machinery


@pytest.fixture
def workshop(tmp_path: Path, machinery: Any) -> Workshop:
    return Workshop(tmp_path, *machinery)


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


@pytest.mark.heavy
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


@pytest.mark.heavy
def test_the_database_may_be_restarted_in_between(workshop: Workshop) -> None:
    with server() as postgres:
        workshop.postgres = postgres
        while not workshop.broken or workshop.rounds < max(2, CRASHES // 100):
            workshop.make(3, [{}, {}], plans_of(2, ["", "submit first"], 1.0), [{}])
        print(f"{workshop.kills} kills, {workshop.broken} broken journals, {workshop.unknown} unknown")
