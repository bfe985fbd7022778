"""The jobs of a client with a journal: what is unfinished, what it cost, and what to do after a crash."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

from ..arguments import wait_arguments
from ..errors import DecartSDKError, InvalidInputError
from ..inputs import refuse
from ..jobs import JobSubmitResponse
from ..journal.owners import may_be_alive, this_process
from ..journal.recent import recent
from ..journal.records import OPEN, STATES, JobRecord, State
from ..journal.reports import Records, ResumedJob
from ..models import video
from ..options import JobOptions
from ..outcomes import CallState
from ..policies import PollPolicy
from ..protocol import is_id
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
        seconds = since.timestamp() if isinstance(since, datetime) else since
        found = Records()
        while True:
            after = (found[-1].created_at, found[-1].label, found[-1].generation) if found else None
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
        for record in await self.select():  # noqa: UP028 - an async generator cannot delegate
            yield record

    async def pending(self) -> Records:
        """Return what is unfinished: jobs that run, videos that were not handed over, and unknown outcomes."""
        return Records(record for record in await self.select(states=OPEN) if not self._superseded(record))

    def _superseded(self, record: JobRecord) -> bool:
        """Return whether nobody has to act on a record: a process is submitting it right now, or never sent it."""
        return record.state == "intended" and not self._recorder.is_under_way(record)

    async def resume(
        self, *, save_to: SaveTo, poll: PollPolicy | None = None, cancel: CancelEvent | None = None
    ) -> list[ResumedJob]:
        """Wait for every unfinished job of this account, and save its video. Nothing is submitted, or billed.

        A job that another live process has taken up is left to it; two processes that resume at once share the work.

        Args:
            save_to: The file of each video: a function of its record, or a name with ``{label}``, ``{job_id}``,
                ``{model}`` or ``{generation}``. In a label, everything but letters, digits, ``.``, ``-`` and ``_`` is
                replaced by ``_``.
            poll: As for ``client.queue.poll``; the time counts for each job.
            cancel: As for ``client.queue.poll``.

        Returns:
            A ``ResumedJob`` for each: its ``record``, and its ``result`` or ``error``.

        Raises:
            InvalidInputError: ``save_to`` would save several videos to one file.
            JournalError: The journal cannot be read.

        Example:
            >>> for job in await client.jobs.resume(save_to="videos/{label}.mp4"):
            ...     print(job.record.label, job.result or job.error)
        """
        wait_arguments(None, poll, cancel, None, (None, None), awaited=AWAITED)
        if not callable(save_to) and not re.search(r"\{(label|job_id)\}", os.fspath(save_to)):
            raise InvalidInputError("save_to must contain {label} or {job_id}, or be a function of the record.")
        await in_thread(self._recorder.write_again)
        done = []
        for record in await self.select(states=("accepted", "completed")):
            if self._is_mine(record) and record.job_id is not None:
                key = self._recorder.shared.waiting
                token = object()
                if key.setdefault(record.job_id, token) is not token:
                    continue  # another thread of this process has it
                try:
                    if await in_thread(partial(self._recorder.take, record)):
                        done.append(await self._resume(record, record.job_id, save_to, poll, cancel))
                finally:
                    key.pop(record.job_id, None)
        return done

    async def _resume(
        self, record: JobRecord, job_id: str, save_to: SaveTo, poll: PollPolicy | None, cancel: CancelEvent | None
    ) -> ResumedJob:
        """Wait for one job, and save its video."""
        state = CallState(job_id)
        try:
            target = save_to(record) if callable(save_to) else file_of(record, os.fspath(save_to))
            arguments = wait_arguments(None, poll, cancel, target, (None, None), awaited=AWAITED)
            result = await self._operations.wait(job_id, state, arguments)
            return ResumedJob(record=record, result=result)
        except (DecartSDKError, OSError) as error:
            if cancel is not None and cancel.is_set():
                raise
            state.explain(error)
            return ResumedJob(record=record, error=error)
        except BaseException as error:
            state.explain(error)
            raise

    def _is_mine(self, record: JobRecord) -> bool:
        """Return whether a record is of this account, and no other live process has it."""
        recorder = self._recorder
        ours = recorder.origin == record.origin and recorder.account == record.account
        return ours and (
            record.owner == this_process() or not may_be_alive(record.owner, record.updated_at, recorder.now())
        )

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
        settled = record.changed(self._recorder.now(), state=state, job_id=job_id, error=None, owner=this_process())
        await in_thread(partial(self._recorder.write, settled))
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
        reason = "The outcome was unknown, and it was submitted again on request."
        given_up = record.changed(self._recorder.now(), state="failed", error=reason)
        await in_thread(partial(self._recorder.write, given_up))
        return await self._operations.submit(options, CallState(), None, label=label, again=True)

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
        ended = [state for state in STATES if state not in OPEN]
        before = self._recorder.now() - seconds
        return await in_thread(partial(self._recorder.journal.delete, before, ended))

    async def spent(
        self, *, since: datetime | float | None = None, model: str | None = None, label_prefix: str = ""
    ) -> float:
        """Return what the submits cost by the ``prices`` of the client, in their unit.

        Submits whose outcome is unknown count, those that were refused do not, and those without a price count as 0.
        """
        records = await self.select(since=since, model=model, label_prefix=label_prefix)
        return sum(record.cost or 0.0 for record in records if record.state not in ("intended", "refused"))

    @property
    def _recorder(self) -> AsyncRecorder:
        recorder = self._operations.recorder
        if recorder is None:
            raise InvalidInputError("client.jobs needs a journal: write DecartClient(journal='jobs.db').")
        return recorder


def file_of(record: JobRecord, template: str) -> Path:
    """Return the file of a record by a template such as ``videos/{label}.mp4``."""
    fields = {name: str(getattr(record, name)) for name in ("label", "job_id", "model", "generation")}
    safe = {name: re.sub(r"[^\w.-]", "_", value) for name, value in fields.items()}
    try:
        return Path(template.format(**safe))
    except (KeyError, IndexError, ValueError) as error:
        raise InvalidInputError(f"save_to: {template!r} cannot be filled in ({error!r}).") from error
