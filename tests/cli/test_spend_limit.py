"""``decart batch --max-spend``, twice at once on one journal."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from sqlite3 import Connection, connect

import pytest
from support.batches import Batches, batches, lake

LIMITED = ("--price", "lucy-pro-t2v=0.1", "--max-spend", "0.2")


@pytest.fixture
def at(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Batches]:
    with batches(tmp_path, capsys, monkeypatch) as made:
        yield made


def locked(at: Batches, journal: str = "videos.db") -> Connection:
    """Hold the lock of a batch with a limit."""
    lock = connect(at.folder / f"{journal}.spending", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    return lock


class Listener(StringIO):
    """Standard error, which does something when a batch says that it waits."""

    def __init__(self, on_wait: Callable[[], object]) -> None:
        super().__init__()
        self._on_wait = on_wait

    def write(self, text: str) -> int:
        if "this one waits for its end" in text:
            self._on_wait()
        return super().write(text)


def test_a_second_batch_waits_for_the_end_of_the_first_and_does_not_exceed_the_limit(
    at: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_first() -> None:
        assert at.submits == 0
        assert at.run("batch", "jobs.jsonl", "--out", "others", *LIMITED).code == 1  # with a journal of its own
        assert at.submits == 2
        lock.close()

    at.write(*map(lake, range(4)))
    lock = locked(at)
    monkeypatch.setattr(sys, "stderr", said := Listener(end_first))
    assert (at.batch(*LIMITED).code, at.submits) == (1, 4)
    assert f"Another batch with --max-spend uses the journal {at.folder / 'videos.db'}; this one " in said.getvalue()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_wait_for_another_batch_can_be_interrupted(
    at: Batches, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    at.write(lake())
    monkeypatch.setattr(sys, "stderr", Listener(lambda: signal.raise_signal(number)))
    with closing(locked(at)):
        assert (at.batch(*LIMITED).code, at.submits) == (128 + number, 0)


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
