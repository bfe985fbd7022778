"""The jobs of a client with a journal: what is unfinished, what it cost, and what to do after a crash."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

import attrs

from ..arguments import wait_arguments
from ..errors import InvalidInputError, NotFoundError, QueueStatusError
from ..inputs import refuse
from ..jobs import JobSubmitResponse
from ..journal.labels import check_label, decided
from ..journal.records import OPEN, STATES, UNFINISHED, JobRecord, State
from ..journal.reports import Records, ResumedJob, files_named
from ..models import video
from ..options import JobOptions
from ..outcomes import CallState
from ..policies import PollPolicy
from ..protocol import is_id
from .backend import AWAITED, CancelEvent, in_thread
from .operations import AsyncOperations
from .recorder import REVISED, AsyncRecorder
from .resuming import FileOf, resume

PAGE = 1000
"""Records to read at a time."""

LAST = 20
"""Records that a notebook shows of a journal."""

SaveTo = str | os.PathLike[str] | FileOf


class AsyncJobsClient:
    """The jobs in the journal of a client; reach them as ``client.jobs``.

    Example:
        >>> for record in await client.jobs.pending():
        ...     print(record.label, record.state, record.job_id)
    """

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

    async def resume(
        self, *, save_to: SaveTo, poll: PollPolicy | None = None, cancel: CancelEvent | None = None
    ) -> list[ResumedJob]:
        """Wait for every unfinished job of this account, and save its video. Nothing is submitted, or billed.

        A job that another live call is waiting for, here or in another process, is left to it: two processes that
        resume at once share the work. Of another machine, a process counts as live for 10 minutes after its last write.

        Args:
            save_to: The file of each video: a function of its record, or a name with ``{label}``, ``{job_id}``,
                ``{model}`` or ``{generation}``. What cannot be part of the name of a file is replaced in them, and a
                digest added.
            poll: As for ``client.queue.poll``; the time counts for each job.
            cancel: As for ``client.queue.poll``.

        Returns:
            A ``ResumedJob`` for each: its ``record``, and its ``result`` or ``error``.

        Raises:
            InvalidInputError: ``save_to`` would save several videos to one file.
            JournalError: The journal cannot be read.
            WaitCancelledError: ``cancel`` was set.

        Example:
            >>> for job in await client.jobs.resume(save_to="videos/{label}.mp4"):
            ...     print(job.record.label, job.result or job.error)
        """
        arguments = wait_arguments(None, poll, cancel, None, (None, None), awaited=AWAITED)
        file_of = save_to if callable(save_to) else files_named(save_to)
        return await resume(self._operations, self._recorder, await self.select(states=UNFINISHED), file_of, arguments)

    async def settle(self, label: str, *, job_id: str | None) -> JobRecord:
        """Decide about a label whose outcome is unknown, once you have checked your account. Nothing is submitted.

        A ``job_id`` is verified with a status check, which is free. A job that was accepted, and that the service no
        longer knows, can be ended with ``job_id=None``, too: it has failed then.

        Args:
            label: The label.
            job_id: The job that it turned out to be; ``None`` if there is none, so that the label may be submitted.

        Raises:
            InvalidInputError: Its outcome is known, or ``job_id`` is that of another label, or of no job.
            QueueStatusError: The status could not be read; nothing was changed.
        """
        if job_id is not None and (not isinstance(job_id, str) or not is_id(job_id)):
            raise refuse("job_id", "the id of a job, or None", job_id)
        record = await self._record(label)
        changes: dict[str, Any]
        if job_id is None and record.state == "accepted" and record.job_id is not None:
            if await self._exists(record.job_id):
                raise InvalidInputError(
                    f"The label {label!r} has job {record.job_id}, which the service knows. Nothing was changed."
                )
            changes = {"state": "failed", "error": "The service no longer has this job."}
        elif record.state != "unknown":
            raise decided(record)
        elif job_id is None:
            changes = {"state": "refused", "error": None}
        else:
            await self._check_found(job_id, label)
            changes = {"state": "accepted", "job_id": job_id, "error": None}
        settled = record.changed(self._recorder.now(), owner="", **changes)
        await self._recorder.write(settled)
        return settled

    async def _check_found(self, job_id: str, label: str) -> None:
        """Refuse an id that a person cannot have found for a label whose outcome is unknown."""
        known = await in_thread(partial(self._recorder.journal.by_job, job_id))
        if known is not None:
            raise InvalidInputError(f"Job {job_id} is that of the label {known.label!r}; {label!r} is still unknown.")
        if not await self._exists(job_id):
            raise InvalidInputError(f"The service has no job {job_id!r} for this key; {label!r} is still unknown.")

    async def _exists(self, job_id: str) -> bool:
        """Return whether the service has a job."""
        try:
            await self._operations.engine.status(job_id)
        except QueueStatusError as error:
            if isinstance(error.cause, NotFoundError):
                return False
            raise
        return True

    async def submit_again(self, label: str, options: JobOptions | None = None) -> JobSubmitResponse:
        """Submit a job whose outcome is unknown once more, which may bill it twice: a person must have decided so.

        Args:
            label: The label.
            options: The same options as before. They are not needed if the journal keeps inputs (``keep_inputs=True``)
                and the job has no files.

        Raises:
            InvalidInputError: Its outcome is known, or the options are needed.
            LabelConflictError: The options are not those of the label.
        """
        record = await self._record(label)
        if record.state != "unknown":
            raise decided(record)
        if options is None:
            if record.inputs is None or set(record.fingerprint) != set(record.inputs):
                raise InvalidInputError(f"options: the journal does not hold all inputs of the label {label!r}.")
            given: Any = {"model": video(record.model), **record.inputs}
            options = cast(JobOptions, given)
        return await self._operations.submit(options, CallState(), None, label=label, decided=True)

    async def _record(self, label: str) -> JobRecord:
        """Return the record of a label that must have one."""
        record = await self.get(label)
        if record is None:
            raise InvalidInputError(f"The journal has no job with the label {label!r}.")
        return record

    def _as_it_is(self, record: JobRecord) -> JobRecord:
        """Return a record as what it is: one that is being sent by a process that died is unknown."""
        if record.state != "sending" or self._recorder.is_under_way(record):
            return record
        return attrs.evolve(record, **REVISED["note unknown"])

    async def prune(self, *, older_than: timedelta | float) -> int:
        """Delete the records of jobs that have ended and were last written longer ago. What is open always stays.

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
        return sum(record.cost or 0.0 for record in records if record.state not in ("intended", "refused"))

    @property
    def _recorder(self) -> AsyncRecorder:
        recorder = self._operations.recorder
        if recorder is None:
            raise InvalidInputError("client.jobs needs a journal: write DecartClient(journal='jobs.db').")
        return recorder
