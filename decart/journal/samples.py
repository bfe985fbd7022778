"""Records and texts that the tests of journals use."""

from __future__ import annotations

from typing import Any

from .records import JobRecord

ODD_TEXT = 'it\'s 100 % "ok"_\\ \n\t\x7f\x00 Ünïcôdé e\u0301 ﷽ 東京 😀\U0010ffff \ud800 NULL'

FULL: dict[str, Any] = {
    "state": "failed",
    "fingerprint": {"prompt": "1f", "data": "2e"},
    "job_id": "j1",
    "error": "out of memory",
    "saved_to": "/videos/lake.mp4",
    "cost": 0.5,
    "inputs": {"prompt": "A lake", "seed": 42, "tags": [], "none": None, "flag": True},
    "steps": 7,
    "due_at": 1800000000.25,
    "poll": {"job_id": "j1", "policy": {"interval": 0.5}, "status": None},
}
LABELS = (
    *(
        "order-1",
        "ORDER-1",
        "order-1 ",
        " order-1",
        "order_1",
        "order%1",
        "order%",
        "orderX1",
        "order-10",
        "o",
        "'",
        '"',
    ),
    *("é", "e\u0301", "É", "ß", "ss", "\u00df\u00df", "\ud7ff", "\ue000", "\uffff", "😀", "😀a", "a😀", "\U0010ffff"),
    *(
        "\U0010ffff\U0010ffff",
        "\U0010ffffa",
        "a\U0010ffff",
        "a\U0010ffffb",
        "b",
        "",
        "*",
        "[a]",
        "?",
        "\\",
        "\\%",
        "1",
        "01",
    ),
)


def record(label: str = "order-1", **fields: Any) -> JobRecord:
    """Return a record for a test."""
    defaults: dict[str, Any] = {
        "model": "lucy-pro-t2v",
        "origin": "https://api.test:443",
        "account": "a1",
        "owner": "machine/1/2",
        "created_at": 1000.0,
        "updated_at": 1000.0,
    }
    return JobRecord(label=label, **defaults | fields)


def place(found: JobRecord) -> tuple[float, str, int]:
    """Return the place of a record in the order of ``select``."""
    return found.created_at, found.label, found.generation
