"""A job that is advanced step by step, by one scheduler or by several at once, is paid for once and saved whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.labelled import LAKE, accepted, content, posts, record_of, render

from decart import DecartClient, JobStep, MemoryJournal, SQLiteJournal
from decart.emulator import VirtualEmulator


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def steps_to_the_end(client: DecartClient, emulator: VirtualEmulator, label: str = "order-1", **given: Any) -> JobStep:
    """Make all steps of a job, each when it is due; every one but the first without its options."""
    step = client.jobs.step(label, LAKE, **given)
    while step.wait is not None:
        emulator.clock.sleep(step.wait)
        step = client.jobs.step(label, token=step.token, **given)
    return step


@pytest.mark.parametrize("make", [MemoryJournal, lambda: SQLiteJournal("jobs.db")], ids=["memory", "sqlite"])
def test_a_job_is_submitted_and_saved_in_steps(make: Any) -> None:
    with VirtualEmulator(renderer=render) as emulator, emulator.client(journal=make()) as client:
        last = steps_to_the_end(client, emulator, save_to="videos/{label}.mp4")
        assert last.record is not None
        assert (last.record.state, last.error, last.superseded) == ("delivered", None, False)
        assert last.record == record_of(client)
        assert Path("videos/order-1.mp4").read_bytes() == content(LAKE["prompt"])
        assert last.record.saved_to == str(Path("videos/order-1.mp4").absolute())
        assert posts(emulator) == 1
        assert [last.record.job_id] == accepted(emulator)
