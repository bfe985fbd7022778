"""What commands say about a journal, and about labels that they must not settle."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.batches import Batches, batches

from decart import DecartClient, SubmitOutcomeUnknownError, models

JOURNAL = ("--journal", "jobs.db")
URL = "postgresql+psycopg://user:hunter2@db/jobs"


@pytest.fixture
def at(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    with batches(tmp_path, capsys, monkeypatch) as made:
        monkeypatch.delenv("DECART_JOURNAL", raising=False)
        yield made


def submit(at: Batches, label: str, key: str | None = None) -> None:
    """Submit a job that nobody waits for."""
    with DecartClient(key, journal=at.folder / "jobs.db") as client:
        client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}, label=label)


def test_a_label_of_another_key_is_not_settled(at: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    at.emulator.faults.add("drop-after")
    with pytest.raises(SubmitOutcomeUnknownError):
        submit(at, "order-1")
    monkeypatch.setenv("DECART_API_KEY", "dct_another")
    for decision in (("--not-accepted",), ("--job-id", str(at.emulator.requests.submits[0].job_id))):
        done = at.run("jobs", "settle", "order-1", *JOURNAL, *decision)
        assert done.code == 2
        assert "The label 'order-1' was submitted with another API key: settle it" in done.stderr
        assert "client" not in done.stderr
    assert at.run("jobs", "show", "order-1", *JOURNAL, "--json").documents[0]["state"] == "unknown"


@pytest.mark.parametrize("command", ["jobs list", "jobs settle x --not-accepted", "run -m lucy-pro-t2v -p x -o x.mp4"])
def test_the_url_of_a_journal_is_refused_and_not_shown(
    command: str, at: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = at.run(*command.split(), "--journal", URL, "--json")
    monkeypatch.setenv("DECART_JOURNAL", URL)
    for done in (typed, at.run(*command.split(), "--json")):
        assert done.code == 2
        assert "argument --journal: the journal is a URL, and the command line reads files only" in done.stderr
        assert "hunter2" not in done.stdout + done.stderr


def test_a_job_that_the_service_has_deleted_is_ended_by_the_command_that_a_resume_prints(at: Batches) -> None:
    submit(at, "order 1")
    at.emulator.faults.add("status:404,on=status,times=forever")
    said = at.run("jobs", "resume", *JOURNAL, "--out", "videos").stdout
    printed = re.search("If the service has deleted the job, `decart (.*)` ends its record", said)
    assert printed is not None
    assert printed[1] == "jobs settle 'order 1' --not-accepted --journal jobs.db"
    swept = at.run("jobs", "sweep", *JOURNAL, "--out", "videos").stdout
    assert "client.jobs" not in said + swept
    done = at.run(*shlex.split(printed[1]))
    assert (done.code, done.stdout) == (0, done.stdout)
    assert done.stdout.startswith("order 1: failed")


def test_a_printed_command_has_all_that_it_needs_to_find_the_label(at: Batches, tmp_path: Path) -> None:
    at.emulator.faults.add("drop-after")
    (tmp_path / "my key").write_text("dct_test")
    service = ("--api-key-file", "my key", "--base-url", at.server.url, *JOURNAL)
    done = at.run("submit", "-m", "lucy-pro-t2v", "-p", "A lake", "--label", "a", *service)
    printed = re.search("`decart ([^`]*--not-accepted[^`]*)`", done.stderr)
    assert printed is not None
    assert sorted(shlex.split(printed[1])[4:]) == sorted(service)
    assert at.run(*shlex.split(printed[1])).code == 0
