"""``decart batch`` as people run it: killed, interrupted, and in a terminal."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from support.batches import Batches, batches, lake
from support.commands import Terminal, decart, interrupt, service_here, start
from workers.running import PATIENCE

from decart import SQLiteJournal

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")]
JOBS = 30
KILLS = 6


@pytest.fixture
def at(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    with batches(tmp_path, capsys, monkeypatch, processing=0.3) as made:
        yield made


def goes_on(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a process has not ended after a moment."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.005)
    return process.returncode is None


def kill(at: Batches) -> bool:
    """Start the batch, and kill it at a random moment after its first request; return whether that was in time."""
    before, wanted = len(at.emulator.requests), random.randrange(60)
    with start("batch", "jobs.jsonl", "--out", "videos", environment=service_here()) as process:
        while goes_on(process) and len(at.emulator.requests) <= before + wanted:
            pass
        process.kill()
        process.communicate(timeout=PATIENCE)
    return process.returncode == -signal.SIGKILL


def settle(at: Batches) -> None:
    """Decide about the jobs that were being sent when the batch was killed, as a person would."""
    with closing(SQLiteJournal(at.folder / "videos.db")) as journal:
        open_records = journal.select(states=["sending"])
        known = {record.job_id for record in journal.select()}
    accepted = {request.fields["prompt"]: request.job_id for request in at.emulator.requests.submits if request.job_id}
    prompts = {each.label: f"Lake {each.label.removeprefix('order-')}" for each in open_records}
    for label, prompt in prompts.items():
        job_id = accepted.get(prompt)
        how = ["--not-accepted"] if job_id is None or job_id in known else ["--job-id", job_id]
        assert at.run("jobs", "settle", label, "--journal", "videos.db", *how).code == 0


@pytest.mark.heavy
def test_a_batch_that_is_killed_at_any_moment_pays_for_each_job_once(at: Batches) -> None:
    at.write(*(lake(number, label=f"order-{number}") for number in range(JOBS)))
    kills = 0
    for _ in range(KILLS):
        kills += kill(at)
        settle(at)
    done = decart("batch", "jobs.jsonl", "--out", "videos", "--json", **service_here())
    assert done.returncode == 0, done.stderr
    assert kills > 0
    accepted = [request.fields["prompt"] for request in at.emulator.requests.submits if request.job_id]
    assert sorted(accepted) == sorted(f"Lake {number}" for number in range(JOBS))
    assert at.videos() == {f"{number + 1:04}.mp4": f"video of Lake {number}" for number in range(JOBS)}
    assert [(each["line"], each["status"]) for each in at.results()] == [
        (line, "completed") for line in range(1, JOBS + 1)
    ]
    assert len(done.stdout.splitlines()) == JOBS
    requests = len(at.emulator.requests)
    again = decart("batch", "jobs.jsonl", "--out", "videos", **service_here())
    assert (again.returncode, again.stdout, len(at.emulator.requests)) == (0, b"", requests)
    assert f"0 done, {JOBS} from an earlier run; ".encode() in again.stderr


def test_ctrl_c_ends_a_batch_and_the_same_command_continues_it(at: Batches) -> None:
    at.write(*map(lake, range(JOBS)))
    with start("batch", "jobs.jsonl", "--out", "videos", environment=service_here()) as process:
        while not at.submits:
            assert goes_on(process)
        code, _, said = interrupt(process)
    assert code == 130
    assert "nothing more is submitted, and " in said and "Run the same command again to continue." in said
    before = at.submits
    assert before < JOBS
    done = decart("batch", "jobs.jsonl", "--out", "videos", **service_here())
    assert (done.returncode, at.submits, len(at.videos())) == (0, JOBS, JOBS)


def test_a_terminal_shows_a_bar_for_all_jobs(at: Batches) -> None:
    at.write(*map(lake, range(3)))
    with Terminal(
        "batch", str(at.folder / "jobs.jsonl"), "--out", str(at.folder / "videos"), **service_here()
    ) as terminal:
        assert terminal.end() == 0
    assert "3 waiting" in terminal.text
    assert [line for line in terminal.screen if line][-1].startswith("3 done; ")
    assert "completed" not in terminal.text
