"""Records as rows of a table: some columns to search by, and one of JSON for everything else.

JSON in ASCII stores any text exactly, even what a database would refuse, such as half of a surrogate pair in the path
of a file or in the message of a server.
"""

from __future__ import annotations

import json
from typing import Any

import attrs

from .records import JobRecord

SEARCHED = ("label", "generation", "revision", "state", "model", "job_id", "created_at", "updated_at")
COLUMNS = (*SEARCHED, "details")
"""The columns of a row, in their order."""


def to_row(record: JobRecord) -> dict[str, Any]:
    """Return a record as a value for each column."""
    fields = attrs.asdict(record, recurse=False)
    row = {name: fields.pop(name) for name in SEARCHED}
    return row | {"details": json.dumps(fields, default=dict)}  # a mapping need not be a dict


def from_row(row: Any) -> JobRecord:
    """Return the record of a row, whose values are in the order of the columns.

    Raises:
        ValueError: Its JSON is damaged, or has what only a newer version of this package knows.
    """
    *searched, details = row
    fields = json.loads(details)
    if unknown := fields.keys() - {field.name for field in attrs.fields(JobRecord)}:
        raise ValueError(f"a newer version of this package has written {', '.join(sorted(unknown))}")
    return JobRecord(**dict(zip(SEARCHED, searched, strict=True)), **fields)


def prefix_end(prefix: str) -> str | None:
    """Return the least text above all that begin with a prefix, by code points; ``None`` if there is none."""
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)  # no surrogate: UTF-8 has none
