"""Record what a client does in its journal: each submit before and after it is sent, and what becomes of its job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import attrs

from ..errors import DecartSDKError, InvalidInputError
from ..events import log
from ..inputs import JobInput
from ..jobs import JobSubmitResponse
from ..journal.entries import Entry, leave, write, write_again
from ..journal.errors import JournalError
from ..journal.failures import busy, kind_of, left_unwritten, name_label, no_job, not_recorded
from ..journal.fingerprints import Request, kept_inputs, request_of, whose
from ..journal.labels import REVISED, STATUS, check_label, new_label, next_step
from ..journal.owners import LEASE
from ..journal.prices import check_prices, cost_of
from ..journal.records import JobRecord, Journal
from ..outcomes import CallState, Cancellation
from ..protocol import form_fields
from ..uploads import Upload
from .backend import before_sending, finish_in_thread, in_thread
from .engine import AsyncEngine, Notes
from .noting import AsyncJobNotes

Fields = Mapping[str, str | Upload]
Send = Callable[[Fields, Notes], Awaitable[JobSubmitResponse]]

PATIENCE = LEASE + 60
"""Seconds to wait for another thread or process that is submitting a job with the same label; most waits are short."""

PAUSE = 0.1
"""Seconds between two looks at its record."""

PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds between the attempts to write the id of a job, before the error is raised."""


@attrs.frozen(kw_only=True)
class LabelArguments:
    """What a caller asked of a submit, beside its inputs; see ``client.queue.submit``.

    Attributes:
        label: The label.
        again: Submit it anew if its job has ended.
        decided: Submit it anew if its outcome is unknown.
        repeated: Use the record of the submit that was refused before once more.
        fields: The form fields of the job, if they have been made already.
        cancel: Ends the wait for another call with the same label.
        patience: The most seconds of that wait.
    """

    label: str | None = None
    again: bool = False
    decided: bool = False
    repeated: bool = False
    fields: Fields | None = None
    cancel: Cancellation = Cancellation()
    patience: float = PATIENCE


class AsyncRecorder(AsyncJobNotes):
    """The journal of one client, in use."""

    def __init__(self, engine: AsyncEngine, journal: Journal) -> None:
        super().__init__(engine, journal)
        self.shared = engine.shared
        self.prices = check_prices(engine.shared.prices)
        self.origin, self.account = whose(engine.settings)

    async def submit(self, job: JobInput, state: CallState, arguments: LabelArguments, send: Send) -> JobSubmitResponse:
        """Submit a job unless its label has one already; record it before and after.

        Args:
            send: Submits the form fields that it is given, with these notes of the journal.

        Raises:
            InvalidInputError: The label cannot be used.
            JournalError: The journal cannot be used: nothing was sent, or the error has the ``job_id``.
            LabelConflictError: The label belongs to another request.
            SubmitOutcomeUnknownError: It is not known whether an earlier submit with this label was accepted.
        """
        entry = Entry(self.journal, self.now)
        try:
            return await self._submit(job, state, arguments, send, entry)
        except JournalError as error:
            if state.sent or state.job_id is not None:
                raise
            raise no_job(error, entry.record) from error.__cause__

    async def _submit(
        self, job: JobInput, state: CallState, arguments: LabelArguments, send: Send, entry: Entry
    ) -> JobSubmitResponse:
        self.engine.check_open()
        if arguments.label is None:
            if arguments.again:
                raise InvalidInputError("again needs the label of the job that is to be submitted anew.")
            arguments = attrs.evolve(arguments, label=new_label())
        draft = self._draft(job, check_label(arguments.label))
        await self.write_again()
        fields, request = await in_thread(partial(self.read, job, arguments.fields))
        try:
            known = await self._claim(attrs.evolve(draft, fingerprint=request.fingerprint), request, arguments, entry)
            if known is not None:
                return known
            first = await before_sending(entry.sending)
            accepted = await send(fields, Notes(first, partial(self._pause, entry, arguments.cancel)))
            await self._accepted(entry, accepted.job_id, state)
            state.claim = entry.claim if state.waits else None
            return accepted
        except BaseException as error:
            if entry.record is not None and not (isinstance(error, JournalError) and error.job_id is not None):
                await self._ended(entry, entry.record, state, error)
            raise
        finally:
            entry.claim.ended = state.claim is None  # no call: an interrupt could keep it from being made

    def read(self, job: JobInput, fields: Fields | None) -> tuple[Fields, Request]:
        """Read the inputs of a job."""
        fields = fields or form_fields(job)
        return fields, request_of(fields, job.model.name, self.engine.settings)

    def _draft(self, job: JobInput, label: str) -> JobRecord:
        """Return the record of a submit, without what is known later: its fingerprint, owner and time."""
        return JobRecord(
            label=label,
            model=job.model.name,
            origin=self.origin,
            account=self.account,
            owner="",
            created_at=0.0,
            updated_at=0.0,
            cost=cost_of(self.prices, job),
            inputs=kept_inputs(job) if self.journal.keep_inputs else None,
        )

    async def _claim(
        self, draft: JobRecord, request: Request, arguments: LabelArguments, entry: Entry
    ) -> JobSubmitResponse | None:
        """Claim the record of a job that is to be submitted now, by this call only, or return the job if it has one."""
        waited, label, again, decided = 0.0, draft.label, arguments.again, arguments.decided
        event: Any = arguments.cancel.event  # its type was checked with the other arguments
        while True:
            last = await in_thread(partial(self.journal.latest, label))
            alive = last is not None and self.is_under_way(last)
            step = next_step(last, request, again=again, decided=decided, alive=alive)
            if last is None or step == "submit":
                record = attrs.evolve(draft, owner=entry.claim.owner)
                if await finish_in_thread(partial(entry.begin, record, last, reuse=arguments.repeated)):
                    return None
                again = decided = False  # another call was faster, and its job will do
            elif step in REVISED:
                await in_thread(partial(self.journal.replace, last.changed(self.now(), **REVISED[step])))
            elif last.job_id is not None:
                status = STATUS.get(last.state, "pending")
                return JobSubmitResponse(job_id=last.job_id, status=status, model=last.model)
            elif waited < arguments.patience:
                arguments.cancel.check()
                self.engine.check_open()
                await self.engine.transport.asleep(PAUSE, event)
                waited += PAUSE
            else:
                raise busy(last, waited)

    async def _pause(self, entry: Entry, cancel: Cancellation, seconds: float, event: Any) -> None:
        """Sleep before a submit that was refused is repeated. If the process dies meanwhile, nothing is unknown."""
        await finish_in_thread(entry.refused)
        await self.engine.transport.asleep(seconds, event)
        cancel.check()
        self.engine.check_open()
        await before_sending(entry.sending)

    async def _accepted(self, entry: Entry, job_id: str, state: CallState) -> None:
        """Record the id of a job that is being paid for.

        Raises:
            JournalError: It could not be written. It is in the error and in the log, and is written with the next use.
        """
        assert entry.record is not None  # it was claimed
        free = entry.record.changed(self.now(), state="accepted", job_id=job_id, owner="")
        leave(self.shared.unwritten, attrs.evolve(free, owner=entry.claim.owner) if state.waits else free)
        pauses = iter(PAUSES)
        while True:
            try:
                await self.write_again()
                return
            except Exception as error:  # also one that a journal of the caller's should not raise
                log.error("job %s was accepted, and the journal could not record it: %s", job_id, error)
                cause = error if isinstance(error, DecartSDKError) else JournalError(str(error))
            if (pause := next(pauses, None)) is None:
                leave(self.shared.unwritten, free)
                raise not_recorded(job_id, cause)
            await self.engine.transport.asleep(pause)

    async def _ended(self, entry: Entry, record: JobRecord, state: CallState, error: BaseException) -> None:
        """Record how a submit ended that raised an exception."""
        state.over = True  # from now on, no thread begins to send
        fields: dict[str, Any] = {"state": "accepted", "job_id": state.job_id, "owner": ""}
        if state.job_id is None:
            text = f": {error}" if self.journal.keep_inputs else ""  # it may quote the prompt, or the path of a file
            fields = {"state": "unknown" if state.sent else "refused", "error": f"{kind_of(error)}{text[:1000]}"}
        leave(self.shared.unwritten, record.changed(self.now(), **fields))
        try:
            await self.write_again()
        except Exception as failure:
            log.warning("the journal could not record how the label %r ended: %s", record.label, failure)
        if state.job_id is not None:
            await self.release(state.job_id, entry.claim)
        elif state.sent:
            name_label(error, record.label)

    async def write_again(self) -> None:
        """Write how submits ended that could not be written yet.

        Raises:
            JournalError: The journal cannot be written.
        """
        if self.shared.unwritten:
            await finish_in_thread(partial(write_again, self.journal, self.shared.unwritten))

    async def write(self, record: JobRecord) -> None:
        """Write a revision, or raise ``JournalError`` if another process was faster."""
        await finish_in_thread(partial(write, self.journal, record))

    async def close(self) -> None:
        """Write what is left to write, and close the journal if the client has made it."""
        try:
            await self.write_again()
        except Exception as error:
            log.error("%s", left_unwritten(self.shared.unwritten, error))
        if self.shared.owns_journal:
            await in_thread(self.journal.close)
