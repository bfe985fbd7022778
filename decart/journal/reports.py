"""What ``client.jobs`` returns: records as a list that notebooks show as a table, and what a resume achieved."""

from __future__ import annotations

import html

import attrs

from ..errors import DecartSDKError
from ..jobs import QueueJobResult
from .records import JobRecord

COLUMNS = ("label", "state", "model", "job", "error or status", "created", "saved to", "cost")
REASON_LIMIT = 200
"""Characters of an error that a notebook shows."""


@attrs.frozen(kw_only=True)
class ResumedJob:
    """What became of a job that ``client.jobs.resume`` waited for.

    Attributes:
        record: Its record, as it is now.
        result: Its result; ``None`` if the wait failed.
        error: Why it failed.
    """

    record: JobRecord
    result: QueueJobResult | None = None
    error: DecartSDKError | OSError | None = None


SHOWN = 100
"""Records of a list that a notebook shows."""


class Records(list[JobRecord]):
    """Records, as a list. A notebook shows them as a table; of a long list, the end."""

    def _repr_html_(self) -> str:
        shown, left_out = self[-SHOWN:], len(self) - SHOWN
        note = f"<caption>{left_out:,} earlier records are not shown.</caption>" if left_out > 0 else ""
        head = "".join(f"<th>{name}</th>" for name in COLUMNS)
        rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in _cells(one))}</tr>" for one in shown)
        return f"<table>{note}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cells(record: JobRecord) -> tuple[str, ...]:
    label = record.label if record.generation == 1 else f"{record.label} ({record.generation})"
    created = f"{record.created:%Y-%m-%d %H:%M:%S UTC}"
    cost = "" if record.cost is None else f"{record.cost:g}"
    said = record.error or record.status or ""
    said = said if len(said) <= REASON_LIMIT else f"{said[:REASON_LIMIT]}..."
    return label, record.state, record.model, record.job_id or "", said, created, record.saved_to or "", cost
