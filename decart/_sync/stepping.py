# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Advance a job of the journal by one step, for programs with an engine of their own: task queues, cron.

A step submits a job, checks its status once, or saves its video. It does not wait for anything, and its outcome is in
the journal when it returns. `decart.journal.jobstep` decides which scheduler makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs

from ..arguments import WaitArguments
from ..errors import DecartSDKError, InvalidInputError, JobTimeoutError, QueueSubmitError, SubmitOutcomeUnknownError
from ..events import Operation
from ..inputs import refuse
from ..jobs import JobStatusResponse
from ..journal.errors import LabelBusyError
from ..journal.failures import gone, kind_of
from ..journal.files import VideoFiles
from ..journal.jobstep import (
    LOOK_AGAIN,
    PATIENCE,
    JobStep,
    StepArguments,
    Token,
    after_failed_check,
    after_failure,
    is_due,
    may_submit,
    no_job,
    not_now,
    not_ours,
    pause_before_download,
    pause_before_submit,
    turn_of,
)
from ..journal.owners import Claim
from ..journal.records import UNFINISHED, JobRecord
from ..options import JobOptions
from ..outcomes import CallState, status_error, timed_out
from ..policies import PollPolicy
from ..polling import Failed, Finished, JobPoll, NextStep, TimedOut, Wait
from ..pool.saving import prepared
from .backend import finish_in_thread, in_thread, result_of
from .engine import Engine
from .operations import Operations
from .recorder import Recorder
from .waits import JobWait


class Stepper:
    """Makes steps of the jobs of one client. Those of a sweep are not counted, so that no token is out of date."""

    def __init__(
        self, operations: Operations, recorder: Recorder, arguments: StepArguments, *, counted: bool = True
    ) -> None:
        self._recorder, self._journal, self._arguments, self._counted = recorder, recorder.journal, arguments, counted
        self._files = VideoFiles(recorder.journal)
        engine = operations.engine
        self._retry = engine.config.retry
        once = attrs.evolve(engine.config, retry=attrs.evolve(self._retry, attempts=1))  # the next attempt is a step
        self._engine = Engine(once, engine.shared, engine.transport)
        self._submits, self._reads = Operations(self._engine), Operations(self._engine)
        self._reads.recorder = None  # what they find is written with the outcome of the step

    def step(self, label: str, token: Token | None, options: JobOptions | None) -> JobStep:
        """Make the next step of a label's job, unless it is not due yet or not the caller's to make."""
        record = self._latest(label)
        if options is not None and may_submit(record, token, label):
            submitted = self._submit(label, token, options)
            if submitted is not None:
                return submitted
            record = self._latest(label)
        if record is not None and not self._is_ours(record):
            raise not_ours(label)
        if record is not None and (later := not_now(record, token, self._recorder.now())) is not None:
            return later
        if record is None or record.state in ("intended", "sending", "refused"):
            raise no_job(record, label)
        return self._act(record, 0 if token is None else token.failures)

    def advance(self, label: str) -> JobStep | None:
        """Make the next step of a job for a sweep, unless another call was faster."""
        record = self._latest(label)
        return self._act(record, 0) if record is not None and self.is_due(record) else None

    def is_due(self, record: JobRecord) -> bool:
        """Return whether a sweep makes the next step of a job."""
        is_free = is_due(record, self._recorder.now()) and not self._recorder.is_under_way(record)
        return is_free and self._is_ours(record)

    def _is_ours(self, record: JobRecord) -> bool:
        return (record.origin, record.account) == (self._recorder.origin, self._recorder.account)

    def _latest(self, label: str) -> JobRecord | None:
        return in_thread(partial(self._journal.latest, label))

    def _act(self, record: JobRecord, failures: int) -> JobStep:
        """Make the next step of a job."""
        if record.state not in UNFINISHED:
            return self._ended(record, failures)
        if self._recorder.is_under_way(record):  # by a call that waits for it, or a step that saves its video
            return JobStep(record=record, wait=LOOK_AGAIN, token=str(Token.after(record)))
        assert record.job_id is not None  # it was accepted
        wait = self._new_wait(record.job_id, CallState(), record.poll if record.due_at is not None else None)
        if record.state == "completed":
            return self._fetch(record, wait.poll)
        with self._engine.reporter.operation(Operation(name="status", job_id=record.job_id)):
            found = wait.check()
        return self._checked(record, wait, found)

    def _new_wait(self, job_id: str, state: CallState, begun: Mapping[str, Any] | None) -> JobWait:
        """Begin a wait for a job, or continue one; all its times are UNIX times."""
        poll = None
        if begun is not None:
            with suppress(InvalidInputError):  # another version has written it, and the wait begins again
                poll = JobPoll.from_json(begun, job_id)
        arguments = WaitArguments(poll=self._arguments.poll)
        return self._reads.new_wait(job_id, state, arguments, clock=self._recorder.now, poll=poll)

    # the submit

    def _submit(self, label: str, token: Token | None, options: JobOptions) -> JobStep | None:
        """Submit a job, in one attempt; return ``None`` if the label has one already."""
        state, failures = CallState(), 0 if token is None else token.failures
        try:
            accepted = self._submits.submit(
                options, state, None, label=label, repeated=failures > 0, patience=0.0
            )
        except LabelBusyError as error:
            return JobStep(record=None, wait=LOOK_AGAIN, token=None if token is None else str(token), error=error)
        except (QueueSubmitError, SubmitOutcomeUnknownError) as error:
            error.__traceback__ = None  # its frames hold the inputs
            record = self._latest(label)
            assert record is not None  # it was written before anything was sent
            return self._not_submitted(record, error, failures)
        if state.job_id is None:
            return None
        record = in_thread(partial(self._journal.by_job, accepted.job_id))
        assert record is not None  # it was just accepted
        wait = self._new_wait(accepted.job_id, state, None)
        return self._checked(record, wait, wait.check())  # the first status needs no request

    def _not_submitted(self, record: JobRecord, error: DecartSDKError, failures: int) -> JobStep:
        """Return when to submit a job again that was refused for now, or end it."""
        policy = self._arguments.poll or self._engine.config.poll or PollPolicy()
        seconds = pause_before_submit(error, self._retry, failures + 1)
        elapsed = self._recorder.now() - record.created_at
        if seconds is None or (policy.timeout is not None and elapsed + seconds > policy.timeout):
            return self._ended(record, failures, error)
        return JobStep(record=record, wait=seconds, token=str(Token.after(record, failures + 1)), error=error)

    # the status

    def _checked(self, record: JobRecord, wait: JobWait, found: NextStep) -> JobStep:
        """Return what follows a status check."""
        poll = wait.poll
        error = None if wait.error is None else status_error(poll.job_id, wait.error)
        if wait.error is not None and isinstance(found, (Failed, TimedOut)):
            found = after_failed_check(poll, found, wait.error, self._recorder.now())
        if isinstance(found, Failed):
            return self._give_up(record, poll, gone(status_error(poll.job_id, found.error), record.label))
        if not isinstance(found, Finished):
            return self._later(record, poll, found, error)
        last = wait.end(found)
        if last.status == "failed":
            return self._end(record, poll, {"state": "failed", "status": "failed", "error": last.error})
        return self._fetch(record, poll)

    # the video

    def _fetch(self, record: JobRecord, poll: JobPoll) -> JobStep:
        """Save the video of a job that has completed."""
        state = {"state": "completed", "status": "completed", "poll": poll.to_json()}
        if self._arguments.file_of is None and self._arguments.store is None:
            return self._end(record, poll, state)
        claim = Claim()
        try:
            claimed = self._write(record, owner=claim.owner, due_at=self._recorder.now(), **state)
            if claimed is None:
                return self._lost(record)
            try:
                saved_to = claimed.saved_to or self._saved(claimed, poll)  # the former if `on_done` has failed
            except Exception as error:
                return self._not_saved(claimed, poll, error)
            return self._end(claimed, poll, {"state": "delivered", "saved_to": saved_to})
        finally:
            claim.ended = True
            self._recorder.release(poll.job_id, claim)

    def _saved(self, record: JobRecord, poll: JobPoll) -> str:
        """Fetch a video, and return where it was saved."""
        file_of, store = self._arguments.file_of, self._arguments.store
        if file_of is not None:
            target = in_thread(lambda: self._files.reserve(prepared(file_of(record)), record))
            self._download(record, poll, target)
            return str(target)
        assert store is not None  # or there would be a file
        with TemporaryDirectory(prefix="decart-") as folder:
            path = Path(folder, "video.mp4")
            self._download(record, poll, path)
            place: object = in_thread(partial(store, record, path))
        if not isinstance(place, str):
            raise refuse("store", "a function that returns where it has stored the video, as a str", place)
        return place

    def _download(self, record: JobRecord, poll: JobPoll, path: Path) -> None:
        last = JobStatusResponse(job_id=poll.job_id, status="completed", model=record.model)
        once = attrs.evolve(poll, accepted=None)  # or the download would wait for a video that is not visible yet
        self._reads.result(last, CallState(poll.job_id), WaitArguments(save_to=path), once)

    def _not_saved(self, record: JobRecord, poll: JobPoll, error: Exception) -> JobStep:
        """Return when to try again to save a video, or give up."""
        poll.failures += 1
        seconds = pause_before_download(error, self._retry, poll, self._recorder.now())
        if seconds is None:
            return self._give_up(record, poll, error)
        return self._later(record, poll, after_failure(poll, seconds, self._recorder.now()), error)

    # how a step ends

    def _later(
        self, record: JobRecord, poll: JobPoll, found: NextStep, error: Exception | None, **changes: Any
    ) -> JobStep:
        """End a step that another one follows, unless the deadline has passed."""
        if not isinstance(found, Wait):
            if error is None or record.state != "completed":
                error = JobTimeoutError(str(timed_out(poll).error), job_id=poll.job_id)
            return self._give_up(record, poll, error)
        status = poll.status.status if poll.status is not None else record.status
        due_at, state = self._recorder.now() + found.seconds, poll.to_json()
        common = {"steps": record.steps + self._counted, "due_at": due_at, "status": status, "poll": state, "owner": ""}
        written = self._write(record, **common, error=None, **changes)
        if written is None:
            return self._lost(record)
        return JobStep(record=written, wait=found.seconds, token=str(Token.after(written)), error=error)

    def _give_up(self, record: JobRecord, poll: JobPoll, error: Exception) -> JobStep:
        """End the steps of a job that may still finish; ``client.jobs.resume``, or a new step, takes it up again."""
        text = str(error) if isinstance(error, DecartSDKError) else kind_of(error)
        return self._end(record, poll, {"error": text, "poll": poll.to_json()}, error)

    def _end(
        self, record: JobRecord, poll: JobPoll, changes: Mapping[str, Any], error: Exception | None = None
    ) -> JobStep:
        """End the steps of a job. ``on_done`` comes first: after a crash in between, it is called again."""
        common = {"steps": record.steps + 1, "due_at": None, "poll": None, "owner": "", "error": None}
        final = {**common, **changes}
        failure = self._notify(JobStep(record=record.changed(self._recorder.now(), **final), error=error))
        if failure is not None and self._recorder.now() < poll.deadline + PATIENCE:
            saved_to = changes.get("saved_to", record.saved_to)
            return self._later(record, poll, Wait(LOOK_AGAIN), failure, saved_to=saved_to)
        written = self._write(record, **final)
        return self._lost(record) if written is None else JobStep(record=written, error=failure or error)

    def _ended(self, record: JobRecord, failures: int, error: DecartSDKError | None = None) -> JobStep:
        """Return the last step of a job that had ended before, or was not submitted."""
        failure = self._notify(JobStep(record=record, error=error))
        if failure is not None and failures * LOOK_AGAIN < PATIENCE:
            return JobStep(record=record, wait=LOOK_AGAIN, token=str(Token.after(record, failures + 1)), error=failure)
        return JobStep(record=record, error=failure or error)

    def _notify(self, step: JobStep) -> Exception | None:
        """Call ``on_done``; return the error that it raised."""
        if self._arguments.on_done is not None:
            try:
                result_of(self._arguments.on_done(step))
            except Exception as failure:
                return failure
        return None

    def _write(self, record: JobRecord, **changes: Any) -> JobRecord | None:
        """Write the outcome of a step; return ``None`` if another call has acted on the job meanwhile."""
        while True:
            changed = record.changed(self._recorder.now(), **changes)
            if finish_in_thread(partial(self._journal.replace, changed)):
                return changed
            current = self._latest(record.label)
            if current is None or turn_of(current) != turn_of(record):
                return None
            record = current

    def _lost(self, record: JobRecord) -> JobStep:
        """Return what a scheduler does whose step another call has made meanwhile."""
        current = self._latest(record.label)
        if current is None:
            return JobStep(record=record, superseded=True)
        token = Token.after(record)
        step = not_now(current, token, self._recorder.now())
        return JobStep(record=current, wait=LOOK_AGAIN, token=str(token)) if step is None else step
