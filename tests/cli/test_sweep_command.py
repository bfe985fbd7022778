"""``decart jobs sweep``: one pass over the jobs of a journal, for cron."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.batches import Batches, Done, batches

from decart import DecartClient, JobOptions, models

JOURNAL = ("--journal", "jobs.db")


@pytest.fixture
def at(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    with batches(tmp_path, capsys, monkeypatch) as made:
        monkeypatch.delenv("DECART_JOURNAL", raising=False)
        yield made


def submitted(at: Batches, *labels: str) -> None:
    """Submit jobs that nobody waits for."""
    with DecartClient(journal=at.folder / "jobs.db") as client:
        for label in labels:
            options: JobOptions = {"model": models.video("lucy-pro-t2v"), "prompt": label}
            client.queue.submit(options, label=label)


def sweep(at: Batches, *options: str) -> Done:
    return at.run("jobs", "sweep", *JOURNAL, "--out", "videos", *options)


def found(at: Batches, *options: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code and the steps of a pass."""
    done = sweep(at, "--json", *options)
    return done.code, done.documents[0]


def test_a_pass_saves_the_videos_that_are_ready_and_says_so(at: Batches) -> None:
    submitted(at, "order-1", "order-2")
    done = sweep(at)
    assert (done.code, done.stderr, at.submits) == (0, "", 2)
    assert sorted(done.stdout.splitlines()) == [
        f"order-{number}: completed: {at.folder}/videos/order-{number}.mp4" for number in (1, 2)
    ]
    assert at.videos() == {f"order-{number}.mp4": f"video of order-{number}" for number in (1, 2)}


def test_a_pass_that_ends_no_job_prints_nothing_as_cron_mails_what_is_printed(at: Batches) -> None:
    at.emulator.faults.add("job-never-ends")
    submitted(at, "order-1")
    assert sweep(at) == Done(0, "", "")
    assert found(at) == (0, [])  # its next check is not due yet
    assert len(at.emulator.requests.polls()) == 1


def test_each_step_is_an_object_of_a_json_array(at: Batches) -> None:
    at.emulator.faults.add("job-never-ends")
    submitted(at, "order-1")
    code, (step,) = found(at)
    assert step.pop("job_id") == at.emulator.requests.submits[0].job_id
    assert (code, step) == (0, {"label": "order-1", "status": "running", "path": None, "error": None})


def test_the_files_are_named_as_those_of_a_resume(at: Batches) -> None:
    submitted(at, "order-1")
    assert sweep(at, "--name", "{model}-{label}.mp4").code == 0
    assert list(at.videos()) == ["lucy-pro-t2v-order-1.mp4"]
    refused = sweep(at, "--name", "{index}.mp4")
    assert (refused.code, "--name must be" in refused.stderr) == (2, True)


def test_a_journal_is_needed_and_none_is_created(at: Batches) -> None:
    done = sweep(at)
    assert (done.code, done.stderr) == (2, "decart: error: There is no journal jobs.db.\n")
    assert list(at.folder.iterdir()) == []


def test_a_job_that_failed_is_reported_once(at: Batches) -> None:
    at.emulator.faults.add("job-fails,reason=Too dark")
    submitted(at, "order-1", "order-2")
    code, steps = found(at)
    ended = {step["label"]: (step["status"], step["error"]) for step in steps}
    assert (code, ended) == (5, {"order-1": ("failed", "Too dark"), "order-2": ("completed", None)})
    assert found(at) == (0, [])


def test_a_job_that_takes_too_long_is_left_to_a_resume(at: Batches) -> None:
    at.emulator.faults.add("job-never-ends")
    submitted(at, "order-1")
    code, (step,) = found(at, "--timeout", "0")
    assert (code, step["status"]) == (3, "timed_out")
    assert step["error"].startswith(f"The wait for job {step['job_id']} ended after 0 s")
    assert found(at) == (0, [])
    assert at.run("jobs", "resume", *JOURNAL, "--out", "videos", "--timeout", "0").code == 3


def test_a_check_that_failed_for_now_is_printed_and_made_again_by_the_next_pass(at: Batches) -> None:
    at.emulator.faults.add("status:503,on=status")
    submitted(at, "order-1")
    done = sweep(at)
    assert (done.code, done.stdout.startswith("order-1: running: "), "503" in done.stdout) == (0, True, True)


def test_a_key_that_is_refused_counts_most(at: Batches) -> None:
    at.emulator.faults.add("status:401,on=status")
    submitted(at, "order-1")
    code, (step,) = found(at)
    assert (code, step["status"]) == (4, "running")


def test_a_job_that_the_service_does_not_know_ends_with_an_error(at: Batches) -> None:
    at.emulator.faults.add("status:404,on=content")
    submitted(at, "order-1")
    code, (step,) = found(at)
    assert (code, step["status"], step["path"]) == (5, "error", None)
