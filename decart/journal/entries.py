"""The record of a submit that is under way: claimed before anything is sent, and ended whatever happens."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..events import log
from .errors import JournalError
from .owners import Claim
from .records import JobRecord, Journal, State

ENDABLE = ("intended", "sending", "unknown", "failed")
"""States of records without a job that the call which claimed them may still end."""


class Entry:
    """One submit in a journal.

    Attributes:
        claim: The right to submit it.
        record: Its record, as it was claimed or last written; ``None`` until this call tries to claim one.
    """

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        self.journal, self.now = journal, now
        self.claim = Claim()
        self.record: JobRecord | None = None

    def begin(self, draft: JobRecord, last: JobRecord | None, *, reuse: bool) -> bool:
        """Claim a label or its next generation; return whether nobody was faster.

        Args:
            draft: The record, without its generation and times.
            last: The label's last record.
            reuse: Whether to write it over the last record, if that one was refused.
        """
        now, write = self.now(), self.journal.insert
        record = attrs.evolve(draft, created_at=now, updated_at=now)
        if last is not None and last.state == "refused" and reuse:
            write = self.journal.replace
            record = attrs.evolve(
                record, generation=last.generation, revision=last.revision + 1, created_at=last.created_at
            )
        elif last is not None:
            record = attrs.evolve(record, generation=last.generation + 1)
        self.record = record  # first: an interrupt may hide that it was written
        if write(record):
            return True
        self.record = None
        return False

    def sending(self) -> None:
        """Record that the request may be on its way from now on; called before each attempt.

        Raises:
            JournalError: Somebody else has changed the record, or it cannot be written. Nothing must be sent.
        """
        self._change("intended", "sending")

    def refused(self) -> None:
        """Record that nothing is on its way any more: an attempt was refused, and another one is to follow.

        Raises:
            JournalError: As for ``sending``.
        """
        self._change("sending", "intended")

    def _change(self, before: State, after: State) -> None:
        assert self.record is not None  # it was claimed
        if self.record.state == before:
            record = self.record.changed(self.now(), state=after)
            write(self.journal, record)
            self.record = record


def write(journal: Journal, record: JobRecord) -> None:
    """Write a revision of a record.

    Raises:
        JournalError: Another process was faster, or the journal cannot be written.
    """
    if not journal.replace(record):
        raise JournalError(
            f"Another process has changed the record of the label {record.label!r} meanwhile; "
            f"client.jobs.get({record.label!r}) shows it."
        )


def write_again(journal: Journal, unwritten: dict[tuple[str, int], JobRecord]) -> None:
    """Write how submits ended that could not be written yet.

    Raises:
        JournalError: The journal cannot be written.
    """
    for key, record in list(unwritten.items()):
        _keep(journal, record)
        if unwritten.get(key) is record:  # no other thread was faster
            unwritten.pop(key, None)


def leave(unwritten: dict[tuple[str, int], JobRecord], record: JobRecord) -> None:
    """Leave a record to be written, in place of an earlier one of the same submit."""
    unwritten[record.label, record.generation] = record


def _keep(journal: Journal, record: JobRecord) -> None:
    """Write how a submit ended, whoever has changed its record meanwhile: a person may have given it up."""
    while True:
        current = _current(journal, record)
        if current is None:
            kept = record.job_id is None or journal.insert(record)
        elif _is_outdated(record, current):
            kept = True
        else:
            kept = journal.replace(attrs.evolve(record, revision=current.revision + 1))
        if kept:
            return


def _is_outdated(record: JobRecord, current: JobRecord) -> bool:
    """Return whether the current record must stay: it has a job, or another call has claimed it.

    The id of a job that is being paid for takes the place of anything but another id.
    """
    if current.job_id is not None and record.job_id not in (None, current.job_id):
        log.error("the label %r has job %s, and its record %s", record.label, record.job_id, current.job_id)
    if current.job_id is not None or record.job_id is not None:
        return current.job_id is not None
    return current.owner != record.owner or current.state not in ENDABLE


def _current(journal: Journal, record: JobRecord) -> JobRecord | None:
    """Return what a journal has for the label and generation of a record."""
    last = journal.latest(record.label)
    if last is None or last.generation == record.generation:
        return last
    found = journal.select(prefix=record.label, since=record.created_at)
    return next((each for each in found if (each.label, each.generation) == (record.label, record.generation)), None)
