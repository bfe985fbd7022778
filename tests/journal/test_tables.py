"""The jobs of a journal as tables in a notebook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter
from support.fakes import LAKE

from decart import DecartClient, MemoryJournal, SQLiteJournal
from decart.emulator import VirtualEmulator
from decart.journal.samples import record

NOW = 1_790_000_000.0


class Counting(MemoryJournal):
    """Counts the records that are read from it."""

    read = 0

    def select(self, **filters: Any) -> Any:
        found = super().select(**filters)
        self.read += len(found)
        return found


def test_of_many_records_only_those_that_are_shown_are_read() -> None:
    journal = Counting()
    for number in range(3000):
        journal.insert(record(f"{number:06d}", created_at=NOW))
    with VirtualEmulator() as emulator, emulator.client(journal=journal) as client:
        shown = shown_by_a_notebook(client.jobs)
        assert shown is not None
        assert re.findall(r"\d{6}", text_of(shown)) == [f"{number:06d}" for number in range(2980, 3000)]
        assert journal.read == 20


def shown_by_a_notebook(value: Any) -> str | None:
    html: str | None = DisplayFormatter().format(value)[0].get("text/html")
    return html


def text_of(table: str) -> str:
    return re.sub("<[^>]*>+", " ", table)


@pytest.fixture
def client() -> Iterator[DecartClient]:
    with VirtualEmulator() as emulator, emulator.client(journal=MemoryJournal(), prices=lambda job: 0.5) as client:
        yield client


def test_the_jobs_of_a_client_are_a_table_of_the_last_twenty(client: DecartClient, tmp_path: Path) -> None:
    for number in range(22):
        client.queue.submit(LAKE, label=f"order-{number:02d}")
    client.queue.submit_and_poll(LAKE, label="order-21", save_to=tmp_path / "lake.mp4")
    shown = shown_by_a_notebook(client.jobs)
    assert shown is not None
    assert re.findall(r"order-\d\d", shown) == [f"order-{number:02d}" for number in range(2, 22)]
    assert f"{tmp_path / 'lake.mp4'}  0.5" in text_of(shown)
    assert shown_by_a_notebook(client.aio.jobs) == shown


def test_a_label_is_escaped_and_a_later_generation_is_named(client: DecartClient) -> None:
    client.queue.submit_and_poll(LAKE, label="<b>1</b>")
    client.queue.submit(LAKE, label="<b>1</b>", again=True)
    shown = shown_by_a_notebook(client.jobs.select())
    assert shown is not None
    assert "<td>&lt;b&gt;1&lt;/b&gt; (2)</td><td>accepted</td>" in shown
    assert "<b>" not in shown


def test_of_a_long_list_the_end_is_shown(client: DecartClient) -> None:
    for number in range(103):
        client.queue.submit(LAKE, label=f"order-{number:03d}")
    shown = shown_by_a_notebook(client.jobs.pending())
    assert shown is not None
    assert shown.count("<tr>") == 101
    assert "3 earlier records are not shown." in text_of(shown)
    assert "order-102" in shown


def test_the_jobs_of_a_client_are_named_after_its_journal(tmp_path: Path) -> None:
    with VirtualEmulator() as emulator:
        with emulator.client(journal=SQLiteJournal(tmp_path / "jobs.db")) as client:
            assert repr(client.jobs) == f"JobsClient(SQLiteJournal('{tmp_path / 'jobs.db'}'))"
        with emulator.client() as client:
            assert repr(client.jobs) == "JobsClient(None)"
            assert shown_by_a_notebook(client.jobs) is None
