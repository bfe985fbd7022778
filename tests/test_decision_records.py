"""Each record in docs/decisions says the same four things, and the index has all of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.documents import ROOT

FOLDER = ROOT / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("0*.md"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_has_its_context_its_price_and_what_would_change_it_on_one_page(record: Path) -> None:
    text = record.read_text("utf-8")
    assert re.findall("^## (.*)", text, re.MULTILINE) == [
        "Context",
        "Decision",
        "What it costs us",
        "What would make us change it",
    ]
    assert len(text.splitlines()) <= 45


def test_the_index_lists_every_record_by_its_number_and_title() -> None:
    index = (FOLDER / "README.md").read_text("utf-8")
    titles = [record.read_text("utf-8").partition("\n")[0].removeprefix("# ") for record in RECORDS]
    listed = re.findall(r"^(\d+\. )\[(.*)\]\((.*)\)$", index, re.MULTILINE)
    assert [(number + title, page) for number, title, page in listed] == [
        (title, record.name) for title, record in zip(titles, RECORDS, strict=True)
    ]
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))
