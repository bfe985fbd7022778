# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Record what a client does in its journal: each submit before and after it is sent, and what becomes of its job."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from ..errors import DecartSDKError, InvalidInputError
from ..events import log
from ..inputs import JobInput
from ..jobs import JobStatusResponse, JobSubmitResponse
from ..journal.entries import Entry, kind_of, leave, write, write_again
from ..journal.errors import JournalError, LabelBusyError
from ..journal.fingerprints import Request, kept_inputs, request_of, whose
from ..journal.labels import REVISED, STATUS, advice, check_label, new_label, next_step
from ..journal.owners import LEASE, Claim, may_be_alive
from ..journal.prices import check_prices, cost_of
from ..journal.records import UNFINISHED, JobRecord, Journal, State
from ..outcomes import CallState, Cancellation
from ..protocol import form_fields
from ..uploads import Upload
from .backend import before_sending, finish_in_thread, in_thread
from .engine import Engine, Notes

Fields = Mapping[str, str | Upload]
Send = Callable[[Fields, Notes], JobSubmitResponse]

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


class Recorder:
    """The journal of one client, in use."""

    def __init__(self, engine: Engine, journal: Journal) -> None:
        self.engine, self.journal, self.shared = engine, journal, engine.shared
        self.prices = check_prices(engine.shared.prices)
        self.origin, self.account = whose(engine.settings)

    def now(self) -> float:
        """Return the UNIX time, by the transport's clock."""
        return float(getattr(self.engine.transport, "time", time.time)())

    def submit(self, job: JobInput, state: CallState, arguments: LabelArguments, send: Send) -> JobSubmitResponse:
        """Submit a job unless its label has one already; record it before and after.

        Args:
            send: Submits the form fields that it is given, with these notes of the journal.

        Raises:
            InvalidInputError: The label cannot be used.
            JournalError: The journal cannot be used: nothing was sent, or the error has the ``job_id``.
            LabelConflictError: The label belongs to another request.
            SubmitOutcomeUnknownError: It is not known whether an earlier submit with this label was accepted.
        """
        self.engine.check_open()
        if arguments.label is None:
            if arguments.again:
                raise InvalidInputError("again needs the label of the job that is to be submitted anew.")
            arguments = attrs.evolve(arguments, label=new_label())
        draft = self._draft(job, check_label(arguments.label))
        self.write_again()
        fields, request = in_thread(partial(self.read, job, arguments.fields))
        entry = Entry(self.journal, self.now)
        try:
            known = self._claim(attrs.evolve(draft, fingerprint=request.fingerprint), request, arguments, entry)
            if known is not None:
                return known
            first = before_sending(entry.sending)
            accepted = send(fields, Notes(first, partial(self._pause, entry, arguments.cancel)))
            self._accepted(entry, accepted.job_id, state)
            state.claim = entry.claim if state.waits else None
            return accepted
        except BaseException as error:
            if entry.record is not None and not (isinstance(error, JournalError) and error.job_id is not None):
                self._ended(entry, entry.record, state, error)
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

    def _claim(
        self, draft: JobRecord, request: Request, arguments: LabelArguments, entry: Entry
    ) -> JobSubmitResponse | None:
        """Claim the record of a job that is to be submitted now, by this call only, or return the job if it has one."""
        waited, label, again, decided = 0.0, draft.label, arguments.again, arguments.decided
        event: Any = arguments.cancel.event  # its type was checked with the other arguments
        while True:
            last = in_thread(partial(self.journal.latest, label))
            alive = last is not None and self.is_under_way(last)
            step = next_step(last, request, again=again, decided=decided, alive=alive)
            if last is None or step == "submit":
                record = attrs.evolve(draft, owner=entry.claim.owner)
                if finish_in_thread(partial(entry.begin, record, last, reuse=arguments.repeated)):
                    return None
                again = decided = False  # another call was faster, and its job will do
            elif step in REVISED:
                in_thread(partial(self.journal.replace, last.changed(self.now(), **REVISED[step])))
            elif last.job_id is not None:
                status = STATUS.get(last.state, "pending")
                return JobSubmitResponse(job_id=last.job_id, status=status, model=last.model)
            elif waited < arguments.patience:
                arguments.cancel.check()
                self.engine.check_open()
                self.engine.transport.sleep(PAUSE, event)
                waited += PAUSE
            else:
                raise LabelBusyError(
                    f"Another thread or process ({last.owner}) has been submitting the label {label!r} for "
                    f"{waited:.0f} s; nothing was sent by this call."
                )

    def _pause(self, entry: Entry, cancel: Cancellation, seconds: float, event: Any) -> None:
        """Sleep before a submit that was refused is repeated. If the process dies meanwhile, nothing is unknown."""
        finish_in_thread(entry.refused)
        self.engine.transport.sleep(seconds, event)
        cancel.check()
        self.engine.check_open()
        before_sending(entry.sending)

    def _accepted(self, entry: Entry, job_id: str, state: CallState) -> None:
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
                self.write_again()
                return
            except Exception as error:  # also one that a journal of the caller's should not raise
                log.error("job %s was accepted, and the journal could not record it: %s", job_id, error)
                cause = error if isinstance(error, DecartSDKError) else JournalError(str(error))
            if (pause := next(pauses, None)) is None:
                leave(self.shared.unwritten, free)
                raise JournalError(
                    f"Job {job_id} was accepted and is billed, and the journal could not record it: {cause} "
                    f"client.queue.poll({job_id!r}) waits for it. It is recorded with the next use of the journal.",
                    cause=cause,
                    job_id=job_id,
                )
            self.engine.transport.sleep(pause)

    def _ended(self, entry: Entry, record: JobRecord, state: CallState, error: BaseException) -> None:
        """Record how a submit ended that raised an exception."""
        state.over = True  # from now on, no thread begins to send
        fields: dict[str, Any] = {"state": "accepted", "job_id": state.job_id, "owner": ""}
        if state.job_id is None:
            text = f": {error}" if self.journal.keep_inputs else ""  # it may quote the prompt, or the path of a file
            fields = {"state": "unknown" if state.sent else "refused", "error": f"{kind_of(error)}{text[:1000]}"}
        leave(self.shared.unwritten, record.changed(self.now(), **fields))
        try:
            self.write_again()
        except Exception as failure:
            log.warning("the journal could not record how the label %r ended: %s", record.label, failure)
        if state.job_id is not None:
            self.release(state.job_id, entry.claim)
        elif state.sent:
            with suppress(Exception):  # an exception that takes no attributes
                error.add_note(f"The label of the job is {record.label!r}. {advice(record.label)}")

    def write_again(self) -> None:
        """Write how submits ended that could not be written yet.

        Raises:
            JournalError: The journal cannot be written.
        """
        if self.shared.unwritten:
            finish_in_thread(partial(write_again, self.journal, self.shared.unwritten))

    def note(self, job: JobStatusResponse) -> None:
        """Record a status of a job that is in the journal."""
        fields = {"status": job.status, "error": job.error}
        if job.finished:
            fields["state"] = job.status
        in_thread(partial(self._revise, job.job_id, ("accepted",), fields))

    def delivered(self, job_id: str, path: Path | None) -> None:
        """Record that the video of a job was handed over, or saved to a file."""
        fields = {"state": "delivered", "status": "completed", "owner": ""}
        if path is not None:
            fields["saved_to"] = str(path)
        in_thread(partial(self._revise, job_id, (*UNFINISHED, "delivered"), fields))

    def release(self, job_id: str, claim: Claim) -> None:
        """Leave a job to others, unless its video was handed over."""
        finish_in_thread(partial(self._revise, job_id, UNFINISHED, {"owner": ""}, claim.owner))
        claim.ended = True

    def take(self, job_id: str, claim: Claim) -> bool:
        """Take up an unfinished job that no live call has; return whether nobody was faster."""
        return finish_in_thread(partial(self._take, job_id, claim.owner))

    def _take(self, job_id: str, owner: str) -> bool:
        while True:
            record = self.journal.by_job(job_id)
            if record is None or record.state not in UNFINISHED or self.is_under_way(record):
                return False
            taken = record.changed(self.now(), owner=owner, due_at=None, poll=None)  # from a scheduler, too
            if self.journal.replace(taken):
                return True

    def is_under_way(self, record: JobRecord) -> bool:
        """Return whether a call may be acting on a record now. A step that saves a video has ``LEASE`` seconds."""
        now = self.now()
        is_over = record.due_at is not None and now - record.updated_at >= LEASE  # its process may live on
        return not is_over and may_be_alive(record.owner, record.updated_at, now)

    def write(self, record: JobRecord) -> None:
        """Write a revision, or raise ``JournalError`` if another process was faster."""
        finish_in_thread(partial(write, self.journal, record))

    def close(self) -> None:
        """Write what is left to write, and close the journal if the client has made it."""
        try:
            self.write_again()
        except Exception as error:
            log.error("the client is closed, and the journal could not record how some submits ended: %s", error)
        if self.shared.owns_journal:
            in_thread(self.journal.close)

    def _revise(
        self, job_id: str, states: tuple[State, ...], fields: Mapping[str, str | None], owner: str | None = None
    ) -> None:
        """Change the record of a job in these states, and of this owner if it is given.

        One that is advanced by steps is ended only by them. A failure is logged, since the caller's video matters more.
        """
        try:
            while True:
                record = self.journal.by_job(job_id)
                if record is None or record.state not in states or owner not in (None, record.owner):
                    return
                if record.due_at is not None and owner is None:
                    fields = {name: fields[name] for name in ("status", "error") if name in fields}
                if all(getattr(record, name) == value for name, value in fields.items()):
                    return
                if self.journal.replace(record.changed(self.now(), **fields)):
                    return
        except Exception as error:  # also one that a journal of the caller's should not raise
            log.warning("the journal could not record what became of job %s: %s", job_id, error)
