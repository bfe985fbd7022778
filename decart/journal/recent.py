"""Find the records that were created last."""

from __future__ import annotations

from .records import JobRecord, Journal


def recent(journal: Journal, count: int, now: float) -> list[JobRecord]:
    """Return the records that were created last, oldest first, without reading all others.

    A journal returns the oldest first, so this searches for the time since when it has ``count`` of them, in some 40
    short queries at most. Of more than a thousand within one millisecond, the last ones may be missing.

    Raises:
        JournalError: The journal cannot be read.
    """
    found = journal.select(limit=count + 1)
    if len(found) <= count:
        return found
    early, late = found[0].created_at, now
    while late - early > 0.001:
        middle = (early + late) / 2
        found = journal.select(since=middle, limit=count + 1)
        if len(found) == count:
            return found
        early, late = (middle, late) if len(found) > count else (early, middle)
    return journal.select(since=early)[-count:]
