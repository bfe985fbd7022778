"""A client whose jobs are advanced step by step learns how long they take, as one that waits for them does."""

from __future__ import annotations

from pathlib import Path

from support.labelled import LAKE, render

from decart import DecartClient, MemoryJournal
from decart.emulator import VirtualEmulator

SECONDS = 4.0  # that a job takes
JOBS = 12


def test_once_some_jobs_have_ended_the_checks_of_the_next_ones_are_fewer_and_not_later(tmp_path: Path) -> None:
    with (
        VirtualEmulator(renderer=render, pending=1.0, processing=SECONDS - 1.0) as emulator,
        emulator.client(journal=MemoryJournal()) as client,
    ):
        checks, lags = zip(*(run(client, emulator, f"order-{number}", tmp_path) for number in range(JOBS)), strict=True)
    assert max(checks[-5:]) < min(checks[:3])
    assert max(lags[-5:]) <= 2.0  # the longest pause by default


def run(client: DecartClient, emulator: VirtualEmulator, label: str, folder: Path) -> tuple[int, float]:
    """Make all steps of a job, each when it is due; return its status checks, and the time until its video is saved."""
    began, before = emulator.clock.now(), len(emulator.requests.polls())
    step = client.jobs.step(label, LAKE, save_to=folder / f"{label}.mp4")
    while step.wait is not None:
        emulator.clock.sleep(step.wait)
        step = client.jobs.step(label, token=step.token, save_to=folder / f"{label}.mp4")
    return len(emulator.requests.polls()) - before, emulator.clock.now() - began - SECONDS
