# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Record what a client does in its journal: each submit before and after it is sent, and what becomes of its job."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import attrs

from ..errors import InvalidInputError
from ..events import log
from ..inputs import JobInput, refuse, shown
from ..jobs import JobStatusResponse, JobSubmitResponse
from ..journal.errors import JournalError
from ..journal.fingerprints import Request, kept_inputs, request_of, whose
from ..journal.labels import next_step
from ..journal.owners import may_be_alive, this_process
from ..journal.records import JobRecord, Journal, State
from ..outcomes import CallState
from ..protocol import form_fields
from ..uploads import Upload
from .backend import before_sending, finish_in_thread, in_thread
from .engine import Engine

Fields = Mapping[str, str | Upload]
Send = Callable[[Fields, tuple[Callable[[], None], ...]], JobSubmitResponse]

PATIENCE = 600.0
"""Seconds to wait for another thread or process that is submitting a job with the same label."""

PAUSE = 0.1
"""Seconds between two looks at its record."""

WRITES = 6
"""How often the id of a job is written, over 6 seconds, before the error is raised."""

LABEL_LIMIT = 200
"""Characters of a label."""

_under_way: list[tuple[str, int]] = []
"""The labels and generations that this process is submitting: a record of its own that is not among them was left."""

STATUS: dict[State, str] = {"completed": "completed", "delivered": "completed", "failed": "failed"}
"""What the service would say of a job in this state; of the others, "pending"."""


class Recorder:
    """The journal of one client, in use."""

    def __init__(self, engine: Engine, journal: Journal) -> None:
        self.engine, self.journal, self.shared = engine, journal, engine.shared
        self.origin, self.account = whose(engine.settings)

    def now(self) -> float:
        """Return the UNIX time, by the transport's clock."""
        return float(getattr(self.engine.transport, "time", time.time)())

    def submit(
        self, job: JobInput, state: CallState, label: str | None, again: bool, send: Send
    ) -> JobSubmitResponse:
        """Submit a job unless its label has one already; record it before and after.

        Args:
            send: Submits the form fields that it is given. It calls the functions before the first byte is sent.

        Raises:
            JournalError: The journal cannot be used: nothing was sent, or the error has the ``job_id``.
            LabelConflictError: The label belongs to another request.
            SubmitOutcomeUnknownError: It is not known whether an earlier submit with this label was accepted.
        """
        in_thread(self.write_again)
        fields, request = in_thread(partial(self._read, job))
        label, mine = check_label(label), list[tuple[str, int]]()
        try:
            record = self._claim(job, request, label, again, mine)
            if record.job_id is None:
                return self._submit(record, state, fields, send)
            return JobSubmitResponse(
                job_id=record.job_id, status=STATUS.get(record.state, "pending"), model=record.model
            )
        finally:
            for key in mine:
                _under_way.remove(key)

    def _submit(self, record: JobRecord, state: CallState, fields: Fields, send: Send) -> JobSubmitResponse:
        """Submit a job that this call has claimed."""
        entry = Entry(self.journal, record, self.now)
        try:
            accepted = send(fields, before_sending(entry.sending))
            self._accepted(entry, accepted.job_id)
            return accepted
        except BaseException as error:
            if isinstance(error, JournalError) and error.job_id is not None:
                raise
            with suppress(JournalError):  # it is in the log
                if state.job_id is not None:
                    self._accepted(entry, state.job_id)
                else:
                    outcome: State = "unknown" if state.sent else "refused"
                    finish_in_thread(partial(entry.ended, outcome, f"{type(error).__name__}: {error}"))
            raise

    def _read(self, job: JobInput) -> tuple[Fields, Request]:
        """Read the inputs of a job."""
        fields = form_fields(job)
        return fields, request_of(fields, job.model.name, self.engine.settings)

    def _claim(
        self, job: JobInput, request: Request, label: str, again: bool, mine: list[tuple[str, int]]
    ) -> JobRecord:
        """Return a record that is to be submitted now, by this call only, or one that has a job already.

        Args:
            mine: Gets the label and generation of each record that this call may submit.
        """
        waited, cost = 0.0, self._cost(job)
        while True:
            last = in_thread(partial(self.journal.latest, label))
            step = next_step(last, request, again=again, alive=last is not None and self.is_under_way(last))
            if last is None or step == "submit again":
                record = self._new_record(job, request, label, 1 if last is None else last.generation + 1, cost)
                _begin(record, mine)
                if in_thread(partial(self.journal.insert, record)):
                    return record
                again = False  # another call was faster, and its job will do
            elif step == "take over":
                record = last.changed(self.now(), owner=this_process())
                _begin(record, mine)
                if in_thread(partial(self.journal.replace, record)):
                    return record
            elif step == "note unknown":
                in_thread(partial(self.journal.replace, last.changed(self.now(), state="unknown")))
            elif step == "return":
                return last
            elif waited < PATIENCE:
                self.engine.transport.sleep(PAUSE)
                waited += PAUSE
            else:
                raise JournalError(
                    f"Another thread or process ({last.owner}) has been submitting the label {label!r} for "
                    f"{PATIENCE:.0f} s; nothing was sent by this call."
                )

    def is_under_way(self, record: JobRecord) -> bool:
        """Return whether a thread or process may be submitting a record right now."""
        if record.owner == this_process():
            return (record.label, record.generation) in _under_way
        return may_be_alive(record.owner, record.updated_at, self.now())

    def _new_record(
        self, job: JobInput, request: Request, label: str, generation: int, cost: float | None
    ) -> JobRecord:
        now = self.now()
        return JobRecord(
            label=label,
            generation=generation,
            fingerprint=request.fingerprint,
            model=request.model,
            origin=request.origin,
            account=request.account,
            owner=this_process(),
            created_at=now,
            updated_at=now,
            cost=cost,
            inputs=kept_inputs(job) if self.journal.keep_inputs else None,
        )

    def _cost(self, job: JobInput) -> float | None:
        """Return what a job costs, by the caller's prices."""
        prices = self.shared.prices
        if prices is None:
            return None
        try:
            cost = prices.get(job.model.name) if isinstance(prices, Mapping) else prices(job)
            return None if cost is None else float(cost)
        except Exception as error:
            raise InvalidInputError(f"prices: {shown(error)}; nothing was sent.") from error

    def _accepted(self, entry: Entry, job_id: str) -> None:
        """Record the id of a job that is being paid for.

        Raises:
            JournalError: It could not be written. It is in the error and in the log, and is written with the next use.
        """
        record = entry.record.changed(self.now(), state="accepted", job_id=job_id)
        self.shared.unwritten.append(record)
        for attempt in range(WRITES):
            try:
                finish_in_thread(self.write_again)
                return
            except JournalError as error:
                log.error("job %s was accepted, and the journal could not record it: %s", job_id, error)
                cause = error
            if attempt < WRITES - 1:
                self.engine.transport.sleep(PAUSE * 2 ** (attempt + 1))
        raise JournalError(
            f"Job {job_id} was accepted and is billed, and the journal could not record it: {cause} "
            f"client.queue.poll({job_id!r}) waits for it. It is recorded with the next use of the journal.",
            cause=cause,
            job_id=job_id,
        )

    def write_again(self) -> None:
        """Write what could not be written before."""
        for record in list(self.shared.unwritten):
            keep_id(self.journal, record)
            with suppress(ValueError):  # another thread was faster
                self.shared.unwritten.remove(record)

    def note(self, job: JobStatusResponse) -> None:
        """Record a status of a job that is in the journal."""
        fields = {"status": job.status, "error": job.error}
        if job.status in ("completed", "failed"):
            fields["state"] = job.status
        in_thread(partial(self._note, job.job_id, fields, ("accepted",)))

    def delivered(self, job_id: str, path: Path | None) -> None:
        """Record that the video of a job was handed over, or saved to a file."""
        fields = {"state": "delivered", "status": "completed", "saved_to": None if path is None else str(path)}
        in_thread(partial(self._note, job_id, fields, ("accepted", "completed", "delivered")))

    def take(self, record: JobRecord) -> bool:
        """Take up a job that another process may have left; return whether nobody was faster."""
        return self.journal.replace(record.changed(self.now(), owner=this_process()))

    def write(self, record: JobRecord) -> None:
        """Write a revision, or raise ``JournalError`` if another process was faster."""
        write(self.journal, record)

    def _note(self, job_id: str, fields: Mapping[str, str | None], states: tuple[State, ...]) -> None:
        """Change the record of a job in these states; a failure is logged, since the caller's video matters more."""
        try:
            while True:
                record = self.journal.by_job(job_id)
                if record is None or record.state not in states:
                    return
                if all(getattr(record, name) == value for name, value in fields.items()):
                    return
                if self.journal.replace(record.changed(self.now(), **fields)):
                    return
        except JournalError as error:
            log.warning("the journal could not record what became of job %s: %s", job_id, error)


def check_label(label: str | None) -> str:
    """Return a label, or a random one for a job without.

    Raises:
        InvalidInputError: It cannot be one.
    """
    if label is None:
        return f"unlabelled-{uuid.uuid4().hex}"
    if not isinstance(label, str) or not label.isprintable() or not label.strip() or len(label) > LABEL_LIMIT:
        raise refuse("label", f"a str of 1 to {LABEL_LIMIT} printable characters", label)
    return str.__str__(label)


def _begin(record: JobRecord, mine: list[tuple[str, int]]) -> None:
    """Note that this process submits a record, before others can see it."""
    key = (record.label, record.generation)
    _under_way.append(key)
    mine.append(key)


class Entry:
    """The record of a submit that is under way."""

    def __init__(self, journal: Journal, record: JobRecord, now: Callable[[], float]) -> None:
        self.journal, self.record, self.now = journal, record, now

    def sending(self) -> None:
        """Record that the request may be on its way from now on; called before each attempt."""
        if self.record.state != "sending":
            self._write(state="sending")

    def ended(self, state: State, reason: str) -> None:
        """Record that the job was refused, or that its outcome is unknown."""
        try:
            self._write(state=state, error=reason[:1000])
        except JournalError as error:
            log.warning("the journal could not record that the label %r is %s: %s", self.record.label, state, error)
            raise

    def _write(self, **fields: str) -> None:
        record = self.record.changed(self.now(), **fields)
        write(self.journal, record)
        self.record = record


def write(journal: Journal, record: JobRecord) -> None:
    """Write a revision of a record.

    Raises:
        JournalError: Another process was faster, or the journal cannot be written.
    """
    if not journal.replace(record):
        raise JournalError(f"Another process has changed the record of the label {record.label!r}; look at it again.")


def keep_id(journal: Journal, record: JobRecord) -> None:
    """Write the id of a job, whoever has changed its record meanwhile; a person may have settled it."""
    while not journal.replace(record):
        last = journal.latest(record.label)
        if last is None or last.generation != record.generation or last.job_id is not None:
            if last is None or last.job_id != record.job_id:
                log.error("the label %r has job %s, and its record says otherwise", record.label, record.job_id)
            return
        record = attrs.evolve(record, revision=last.revision + 1)
