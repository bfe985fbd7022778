"""The records in the journal of a client: what is unfinished, and what it cost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from functools import partial

import attrs

from ..errors import InvalidInputError
from ..inputs import refuse
from ..journal.labels import REVISED, check_label
from ..journal.records import OPEN, STATES, JobRecord, State
from ..journal.reports import Records
from .backend import in_thread
from .operations import AsyncOperations
from .recorder import AsyncRecorder

PAGE = 1000
"""Records to read at a time."""

LAST = 20
"""Records that a notebook shows of a journal."""


class AsyncJobRecords:
    """The records in a journal, to look things up."""

    def __init__(self, operations: AsyncOperations) -> None:
        self._operations = operations

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._operations.engine.shared.journal!r})"

    def _repr_html_(self) -> str | None:
        """Show the last jobs in a notebook, as a table."""
        recorder = self._operations.recorder
        if recorder is None:
            return None
        last = recorder.journal.select(limit=LAST, newest_first=True)
        return Records(self._as_it_is(record) for record in reversed(last))._repr_html_()

    async def get(self, label: str) -> JobRecord | None:
        """Return the record of a label, or ``None``: that of the last generation.

        Raises:
            JournalError: The journal cannot be read.
        """
        label = check_label(label)
        await self._recorder.write_again()
        record = await in_thread(partial(self._recorder.journal.latest, label))
        return None if record is None else self._as_it_is(record)

    async def select(
        self,
        *,
        states: Collection[State] | None = None,
        model: str | None = None,
        label_prefix: str = "",
        since: datetime | float | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Records:
        """Return records, oldest first unless you say otherwise; in a notebook, they are a table.

        Args:
            states: Only those in these states; see `decart.journal.records`.
            model: Only those of the model with this name.
            label_prefix: Only those whose label begins with this text.
            since: Only those created at this time or later: a ``datetime`` or UNIX seconds.
            limit: The most records to return; all by default.
            newest_first: Return the newest first; with a ``limit``, those are the last ones.

        Raises:
            JournalError: The journal cannot be read.
        """
        if states is not None and (isinstance(states, str) or not set(states) <= set(STATES)):
            raise refuse("states", f"a list of {', '.join(STATES)}", states)
        if not isinstance(label_prefix, str) or not isinstance(model, (str, type(None))):
            raise InvalidInputError("label_prefix and model must be str; model is the name of a model.")
        seconds = since.timestamp() if isinstance(since, datetime) else since
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float, type(None))):
            raise refuse("since", "a datetime, or UNIX seconds", since)
        if isinstance(limit, bool) or not isinstance(limit, (int, type(None))) or (limit or 0) < 0:
            raise refuse("limit", "a number of records, 0 or more", limit)
        await self._recorder.write_again()
        stored: Collection[State] | None = states
        if states is not None and "unknown" in states:
            stored = {*states, "sending"}  # see `_as_it_is`
        size = PAGE if limit is None else min(limit, PAGE)
        found, after = Records(), None
        while limit is None or len(found) < limit:
            page = await in_thread(
                partial(
                    self._recorder.journal.select,
                    states=stored,
                    model=model,
                    prefix=label_prefix,
                    since=seconds,
                    after=after,
                    limit=size,
                    newest_first=newest_first,
                )
            )
            records = map(self._as_it_is, page)
            found += [record for record in records if states is None or record.state in states]
            if len(page) < size:
                break
            after = page[-1].place
        return Records(found[:limit])

    async def __aiter__(self) -> AsyncIterator[JobRecord]:
        await self._recorder.write_again()
        after: tuple[float, str, int] | None = None
        while page := await in_thread(partial(self._recorder.journal.select, after=after, limit=PAGE)):
            for record in page:
                after = record.place
                yield self._as_it_is(record)

    async def pending(self) -> Records:
        """Return what is unfinished: jobs that run, videos that were not handed over, and unknown outcomes.

        What another call is submitting at this moment counts, and what died before it sent anything does not.
        """
        records = await self.select(states=OPEN)
        return Records(each for each in records if each.state != "intended" or self._recorder.is_under_way(each))

    async def prune(self, *, older_than: timedelta | float) -> int:
        """Delete the records of jobs that have ended and were last written longer ago. What is open always stays.

        Those of other API keys and services that share the journal are deleted, too.

        Args:
            older_than: A ``timedelta`` or seconds.

        Returns:
            How many records were deleted. Their labels may be used, and billed, again.
        """
        seconds = older_than.total_seconds() if isinstance(older_than, timedelta) else older_than
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < float("inf"):
            raise refuse("older_than", "a timedelta or a number of seconds, 0 or more", older_than)
        ended: list[State] = [state for state in STATES if state not in OPEN]
        before = self._recorder.now() - seconds
        return await in_thread(partial(self._recorder.journal.delete, before, ended))

    async def spent(
        self, *, since: datetime | float | None = None, model: str | None = None, label_prefix: str = ""
    ) -> float:
        """Return what the submits cost by the ``prices`` of the client, in their unit.

        Submits whose outcome is unknown count, those that were refused do not, and those without a price count as 0.

        Args:
            since, model, label_prefix: As for ``select``.
        """
        records = await self.select(since=since, model=model, label_prefix=label_prefix)
        return sum((record.cost or 0.0 for record in records if record.state not in ("intended", "refused")), 0.0)

    def _as_it_is(self, record: JobRecord) -> JobRecord:
        """Return a record as what it is: one that is being sent by a process that died is unknown."""
        if record.state != "sending" or self._recorder.is_under_way(record):
            return record
        return attrs.evolve(record, **REVISED["note unknown"])

    @property
    def _recorder(self) -> AsyncRecorder:
        recorder = self._operations.recorder
        if recorder is None:
            raise InvalidInputError("client.jobs needs a journal: write DecartClient(journal='jobs.db').")
        return recorder
