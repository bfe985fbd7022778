"""``decart batch --max-spend``, twice at once on one journal."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection, connect

import pytest
from support.batches import Batches, batches, lake
from support.commands import service_here, start, wait_for

LIMITED = ("--price", "lucy-pro-t2v=0.1", "--max-spend", "0.2")
BATCH = ("batch", "jobs.jsonl", "--out", "videos", *LIMITED)


@pytest.fixture
def at(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    with batches(tmp_path, capsys, monkeypatch) as made:
        yield made


def locked(at: Batches, journal: str = "videos.db") -> Connection:
    """Hold the lock of a batch with a limit."""
    lock = connect(at.folder / f"{journal}.spending", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    return lock


def test_a_second_batch_waits_for_the_end_of_the_first_and_does_not_exceed_the_limit(at: Batches) -> None:
    at.write(*map(lake, range(4)))
    lock = locked(at)
    with start(*BATCH, environment=service_here()) as second:
        wait_for(second, r"Another batch with --max-spend uses the journal .*videos\.db; this one waits for its end\.")
        assert at.submits == 0
        assert at.run("batch", "jobs.jsonl", "--out", "others", *LIMITED).code == 1  # with a journal of its own
        assert at.submits == 2
        lock.close()
    assert (second.returncode, at.submits) == (1, 4)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_the_wait_for_another_batch_can_be_interrupted(at: Batches) -> None:
    at.write(lake())
    with closing(locked(at)), start(*BATCH, environment=service_here()) as second:
        wait_for(second, "this one waits for its end")
        second.send_signal(signal.SIGINT)
    assert (second.returncode, at.submits) == (130, 0)


def test_a_batch_without_a_limit_waits_for_nobody(at: Batches) -> None:
    at.write(lake())
    with closing(locked(at)):
        assert at.batch().code == 0


def test_a_lock_that_cannot_be_taken_ends_the_batch_before_anything_is_sent(at: Batches) -> None:
    at.write(lake())
    (at.folder / "folder.db.spending").mkdir()
    (at.folder / "text.db.spending").write_text("This is no database, and " * 100)
    for journal, reason in (("folder.db", "unable to open"), ("text.db", "file is not a database")):
        done = at.batch("--journal", journal, *LIMITED)
        assert (done.code, at.submits) == (2, 0)
        assert f"{journal}.spending cannot be locked, which --max-spend needs: {reason}" in done.stderr


def test_the_folder_of_the_journal_may_not_exist_yet(at: Batches) -> None:
    at.write(lake())
    assert at.run("batch", "jobs.jsonl", "--out", "new/videos", *LIMITED).code == 0
