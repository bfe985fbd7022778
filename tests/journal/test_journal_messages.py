"""What a client says about a journal that it cannot use, and about records in place of ids."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter
from support.labelled import LAKE, BothSides, Failing, posts, record_of, unknown, writes_of

from decart import (
    AsyncDecartClient,
    DecartClient,
    InvalidInputError,
    JournalError,
    MemoryJournal,
    SQLiteJournal,
)
from decart.journal.failures import no_job
from decart.journal.records import Journal
from decart.journal.reports import Records
from decart.journal.samples import record

pytestmark = pytest.mark.usefixtures("side")


# what is no journal

URL = "postgresql+psycopg://user:hunter2@db/jobs"


@pytest.mark.parametrize("url", [URL, Path(URL), " " + URL, "sqlite:///jobs.db"])
def test_a_url_is_refused_without_its_password(url: Any) -> None:
    for make in (SQLiteJournal, *(lambda url, kind=kind: kind("k", journal=url) for kind in KINDS)):
        with pytest.raises(InvalidInputError) as caught:
            make(url)
        assert str(caught.value) == "journal is a URL; pass decart.integrations.sql.SQLAlchemyJournal(url)."


KINDS = (DecartClient, AsyncDecartClient)


@pytest.mark.parametrize("missing", ["insert", "replace", "latest", "by_job", "select", "delete", "close"])
def test_the_members_that_a_class_lacks_are_named(missing: str) -> None:
    names = {name for name in vars(MemoryJournal) if not name.startswith("_")} - {missing}
    incomplete = type("Mine", (), {name: vars(MemoryJournal)[name] for name in names})()
    assert not isinstance(incomplete, Journal)
    for kind in KINDS:
        with pytest.raises(InvalidInputError, match=f"^journal: Mine lacks keep_inputs, {missing}; see decart.journal"):
            kind("k", journal=incomplete)
    incomplete.keep_inputs = False
    with pytest.raises(InvalidInputError, match=f"^journal: Mine lacks {missing}; see"):
        DecartClient("k", journal=incomplete)


# files that cannot be used

RESTORE = (
    "If it was your journal, restore it from a backup: with another path, its labels are submitted and billed again."
)


def test_a_file_that_may_have_been_the_journal_is_not_to_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    path.write_bytes(b"no database, and long enough to see that" * 100)
    with closing(SQLiteJournal(path)) as journal, pytest.raises(JournalError) as caught:
        journal.select()
    assert str(caught.value) == f"The journal {path} cannot be used: it is not an SQLite database. {RESTORE}"
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE users (name)")
    with closing(SQLiteJournal(path)) as journal, pytest.raises(JournalError, match=re.escape(RESTORE)):
        journal.select()


# a journal that fails around a submit


@pytest.mark.parametrize("state", ["intended", "sending"])
def test_before_a_submit_the_error_says_that_nothing_was_sent(state: str) -> None:
    with BothSides() as emulator, emulator.client(journal=Failing(writes_of(state))) as client:
        for _ in range(2):
            with pytest.raises(JournalError, match=r"^The disk is full\. Nothing was sent\.$") as caught:
                client.queue.submit(LAKE)
            assert caught.value.job_id is None
        assert posts(emulator) == 0


def test_after_a_refused_attempt_the_error_says_that_there_is_no_job() -> None:
    error = no_job(JournalError("The disk is full."), record(state="intended", revision=2))
    assert str(error) == "The disk is full. The submit was refused before, and is not repeated: there is no job."


def test_after_a_submit_the_error_says_first_how_to_go_on_with_the_job() -> None:
    with BothSides() as emulator, emulator.client(journal=Failing(writes_of("accepted"))) as client:
        with pytest.raises(JournalError) as caught:
            client.queue.submit(LAKE)
        job_id = caught.value.job_id
        assert str(caught.value) == (
            f"Job {job_id} was accepted and is billed. Wait for it with client.queue.poll({job_id!r}); its id is "
            "recorded with the next use of the journal. The journal could not record it yet: The disk is full."
        )


def test_a_closed_client_names_each_submit_that_could_not_be_recorded(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with BothSides() as emulator:
        client = emulator.client(journal=(journal := Failing(writes_of("accepted", "refused"))))
        with pytest.raises(JournalError) as caught:
            client.queue.submit(LAKE, label="order-1")
        emulator.faults.add("status:402,on=submit")
        journal.fails = lambda method, value: method == "replace"
        client.close()
    assert (
        f"these submits ended: 'order-1' (job {caught.value.job_id}). Settle them with client.jobs.settle("
        in caplog.text
    )
    assert caplog.text.rstrip().endswith("Reason: The disk is full.")


# records


def test_a_record_is_accepted_wherever_a_job_is() -> None:
    with BothSides() as emulator, emulator.client(journal=MemoryJournal()) as client:
        client.queue.submit(LAKE, label="order-1")
        one = record_of(client)
        result = client.queue.poll(one)
        assert (result.job_id, result.status) == (one.job_id, "completed")
        assert client.queue.status(one).job_id == client.queue.result(one).job_id == one.job_id
        assert client.queue.poll_once(one).job.job_id == one.job_id
        assert client.queue.download(one, "lake.mp4").read_bytes() == result.data
        assert client.queue.stream(one) is not None


def test_a_record_without_a_job_is_refused() -> None:
    with BothSides(faults="drop-after") as emulator, emulator.client(journal=MemoryJournal()) as client:
        unknown(client)
        for call in (client.queue.poll, client.queue.status, client.queue.result, client.queue.stream):
            with pytest.raises(
                InvalidInputError, match=r"^The record of the label 'order-1' is unknown, and has no job id\.$"
            ):
                call(record_of(client))
        with pytest.raises(InvalidInputError, match="job_id must be the id that submit returned"):
            client.queue.poll(None)


def test_a_notebook_shows_why_a_job_failed_or_is_unknown() -> None:
    long = "x" * 300
    records = Records(
        [
            record("a", state="failed", error="Too <dark>", status="failed"),
            record("b", state="unknown", error=long),
            record("c", state="accepted", status="processing"),
            record("d", state="intended"),
        ]
    )
    html: str = DisplayFormatter().format(records)[0]["text/html"]
    assert "<th>error or status</th>" in html
    cells = [re.findall("<td>(.*?)</td>", row)[4] for row in html.split("<tr>")[2:]]
    assert cells == ["Too &lt;dark&gt;", f"{'x' * 200}...", "processing", ""]
