"""The jobs of a client with a journal: what is unfinished, what it cost, and what to do after a crash."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import attrs

from ..arguments import WaitArguments, wait_arguments
from ..errors import DecartSDKError, InvalidInputError
from ..inputs import refuse
from ..jobs import JobSubmitResponse
from ..journal.labels import check_label
from ..journal.owners import Claim
from ..journal.recent import recent
from ..journal.records import OPEN, STATES, UNFINISHED, JobRecord, State
from ..journal.reports import Records, ResumedJob, files_named
from ..models import video
from ..options import JobOptions
from ..outcomes import CallState
from ..policies import PollPolicy
from ..protocol import is_id
from ..targets import check_target
from .backend import AWAITED, CancelEvent, in_thread
from .operations import AsyncOperations
from .recorder import AsyncRecorder

PAGE = 1000
"""Records to read at a time."""

LAST = 20
"""Records that a notebook shows of a journal."""

SaveTo = str | os.PathLike[str] | Callable[[JobRecord], str | os.PathLike[str]]


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
        return None if recorder is None else Records(recent(recorder.journal, LAST, recorder.now()))._repr_html_()

    async def get(self, label: str) -> JobRecord | None:
        """Return the record of a label, or ``None``: that of the last generation.

        Raises:
            JournalError: The journal cannot be read.
        """
        label = check_label(label)
        await self._recorder.write_again()
        return await in_thread(partial(self._recorder.journal.latest, label))

    async def select(
        self,
        *,
        states: Collection[State] | None = None,
        model: str | None = None,
        label_prefix: str = "",
        since: datetime | float | None = None,
    ) -> Records:
        """Return records, oldest first; in a notebook, they are a table.

        Args:
            states: Only those in these states; see `decart.journal.records`.
            model: Only those of the model with this name.
            label_prefix: Only those whose label begins with this text.
            since: Only those created at this time or later: a ``datetime`` or UNIX seconds.

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
        await self._recorder.write_again()
        found = Records()
        while True:
            after = found[-1].place if found else None
            page = await in_thread(
                partial(
                    self._recorder.journal.select,
                    states=states,
                    model=model,
                    prefix=label_prefix,
                    since=seconds,
                    after=after,
                    limit=PAGE,
                )
            )
            found += page
            if len(page) < PAGE:
                return found

    async def __aiter__(self) -> AsyncIterator[JobRecord]:
        after: tuple[float, str, int] | None = None
        while page := await in_thread(partial(self._recorder.journal.select, after=after, limit=PAGE)):
            for record in page:
                after = record.place
                yield record

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
        files: dict[Path, str | None] = {}

        def target_of(record: JobRecord) -> Path:
            target = check_target(file_of(record), "save_to")
            if files.setdefault(target, record.job_id) != record.job_id:
                raise InvalidInputError(f"save_to: {target} has the video of another job; use {{job_id}} in it.")
            return target

        ours, done = (self._recorder.origin, self._recorder.account), []
        for record in await self.select(states=UNFINISHED):
            if record.job_id is not None and (record.origin, record.account) == ours:
                resumed = await self._resume(record, record.job_id, target_of, arguments)
                done += [] if resumed is None else [resumed]
        return done

    async def _resume(
        self, record: JobRecord, job_id: str, target_of: Callable[[JobRecord], Path], arguments: WaitArguments
    ) -> ResumedJob | None:
        """Wait for a job, and save its video, unless another call has taken it up."""
        state, claim = CallState(job_id), Claim()
        try:
            if not await self._recorder.take(job_id, claim):
                return None
            arguments = attrs.evolve(arguments, save_to=target_of(record))
            return ResumedJob(record=record, result=await self._operations.wait(job_id, state, arguments))
        except BaseException as error:
            state.explain(error)
            cancelled = arguments.cancel is not None and arguments.cancel.is_set()
            if cancelled or not isinstance(error, (DecartSDKError, OSError)):
                raise
            return ResumedJob(record=record, error=error)
        finally:
            await self._recorder.release(job_id, claim)

    async def settle(self, label: str, *, job_id: str | None) -> JobRecord:
        """Decide about a label whose outcome is unknown, after a look at the account. Nothing is sent.

        Args:
            label: The label.
            job_id: The job that it turned out to be; ``None`` if there is none, so that the label may be submitted.

        Raises:
            InvalidInputError: Its outcome is known, or ``job_id`` cannot be an id.
        """
        if job_id is not None and (not isinstance(job_id, str) or not is_id(job_id)):
            raise refuse("job_id", "the id of a job, or None", job_id)
        record = await self._unknown(label)
        state: State = "refused" if job_id is None else "accepted"
        settled = record.changed(self._recorder.now(), state=state, job_id=job_id, error=None, owner="")
        await self._recorder.write(settled)
        return settled

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
        record = await self._unknown(label)
        if options is None:
            if record.inputs is None or set(record.fingerprint) != set(record.inputs):
                raise InvalidInputError(f"options: the journal does not hold all inputs of the label {label!r}.")
            given: Any = {"model": video(record.model), **record.inputs}
            options = cast(JobOptions, given)
        return await self._operations.submit(options, CallState(), None, label=label, decided=True)

    async def _unknown(self, label: str) -> JobRecord:
        """Return the record of a label whose outcome is unknown."""
        record = await self.get(label)
        if record is None:
            raise InvalidInputError(f"label: the journal has no record of {label!r}.")
        died = record.state == "sending" and not self._recorder.is_under_way(record)
        if record.state != "unknown" and not died:
            raise InvalidInputError(f"label: {label!r} is {record.state}, so there is nothing to decide.")
        return record

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
