# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Advance a job of the journal by one step, for programs with an engine of their own: task queues, cron.

A step submits a job, checks its status once, or saves its video. It never sleeps, and what it has found is in the
journal when it returns. `decart.journal.jobstep` decides whose turn it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs

from ..arguments import WaitArguments
from ..errors import DecartSDKError, InvalidInputError, NotFoundError, QueueSubmitError, SubmitOutcomeUnknownError
from ..events import Operation
from ..inputs import refuse
from ..jobs import JobStatusResponse
from ..journal.errors import LabelBusyError
from ..journal.jobstep import LOOK_AGAIN, JobStep, StepArguments, Token, has_ended, next_act, no_job
from ..journal.owners import Claim
from ..journal.records import UNFINISHED, JobRecord
from ..options import JobOptions
from ..outcomes import CallState, status_error, timed_out
from ..policies import TICK, PollPolicy, next_pause, repeat_submit
from ..polling import Failed, Finished, JobPoll, TimedOut, Wait
from ..pool.saving import prepared
from .backend import finish_in_thread, in_thread, result_of
from .engine import Engine
from .operations import Operations
from .recorder import Recorder
from .waits import JobWait

ODD_PAUSE = 60.0
"""Seconds between two status checks while the service answers in a way that a person has to mend, such as HTTP 401."""


class Stepper:
    """Makes steps of the jobs of one client."""

    def __init__(self, operations: Operations, recorder: Recorder, arguments: StepArguments) -> None:
        self._recorder, self._journal, self._arguments = recorder, recorder.journal, arguments
        engine = operations.engine
        retry = attrs.evolve(engine.config.retry, attempts=1)  # a further attempt is a further step
        self._engine = Engine(attrs.evolve(engine.config, retry=retry), engine.shared, engine.transport)
        self._operations = Operations(self._engine)
        self._retry = engine.config.retry

    def step(self, label: str, token: Token | None = None, options: JobOptions | None = None) -> JobStep:
        """Make the next step of a label's job, if it is due."""
        if options is not None:
            submitted = self._submit(label, token, options)
            if submitted is not None:
                return submitted
        record = in_thread(partial(self._journal.latest, label))
        if record is None or (record.job_id is None and not has_ended(record)):
            raise no_job(record, label)
        if (record.origin, record.account) != (self._recorder.origin, self._recorder.account):
            raise InvalidInputError(f"The label {label!r} is that of a job of another account or service.")
        act = next_act(record, token, self._recorder.now())
        if act.kind == "later":
            return JobStep(record=record, wait=act.seconds, token=str(act.token))
        if act.kind == "leave":
            return JobStep(record=record, superseded=True)
        return self._act(record)

    def _act(self, record: JobRecord) -> JobStep:
        """Make the next step of a job, whose turn it is."""
        own = Token(generation=record.generation, number=record.steps)
        if record.state not in UNFINISHED:
            return self._ended(record, own)
        if self._recorder.is_under_way(record):  # a call that waits for it, or a step that saves its video
            return JobStep(record=record, wait=LOOK_AGAIN, token=str(own))
        assert record.job_id is not None  # it was accepted
        begun = record.poll if record.due_at is not None else None
        wait = self._new_wait(record.job_id, CallState(), begun)
        return (self._check(record, wait) if record.state == "accepted" else self._fetch(record, wait.poll))

    def _new_wait(self, job_id: str, state: CallState, begun: Any) -> JobWait:
        """Begin a wait for a job, or continue one; all its times are UNIX times."""
        poll = None if begun is None else JobPoll.from_json(begun, job_id)
        arguments = WaitArguments(poll=self._arguments.poll)
        wait = self._operations.new_wait(job_id, state, arguments, clock=self._recorder.now, poll=poll)
        wait.recorder = None  # the outcome of a step is recorded at once
        return wait

    # the submit

    def _submit(self, label: str, token: Token | None, options: JobOptions) -> JobStep | None:
        """Submit a job, in one attempt; return ``None`` if the label has one already."""
        state, refusals = CallState(), 0 if token is None else token.refusals
        try:
            accepted = self._operations.submit(
                options, state, None, label=label, repeated=refusals > 0, patience=0.0
            )
        except LabelBusyError as error:
            return JobStep(record=None, wait=LOOK_AGAIN, token=None if token is None else str(token), error=error)
        except (QueueSubmitError, SubmitOutcomeUnknownError) as error:
            error.__traceback__ = None
            record = in_thread(partial(self._journal.latest, label))
            assert record is not None  # it was written before anything was sent
            return self._not_submitted(record, error, refusals + 1)
        if state.job_id is None:
            return None
        record = in_thread(partial(self._journal.by_job, accepted.job_id))
        assert record is not None  # it was just accepted
        wait = self._new_wait(accepted.job_id, state, None)
        return self._later(record, wait.poll, wait.check())

    def _not_submitted(self, record: JobRecord, error: DecartSDKError, refusals: int) -> JobStep:
        """Return when to submit a job again that was refused for now, or end it."""
        own = Token(generation=record.generation, refusals=refusals)
        policy = self._arguments.poll or self._engine.config.poll or PollPolicy()
        cause = error.cause if isinstance(error, QueueSubmitError) else None
        elapsed = self._recorder.now() - record.created_at
        if cause is None or not repeat_submit(cause) or (policy.timeout is not None and elapsed > policy.timeout):
            return self._ended(record, own, error)
        seconds = next_pause(self._retry, refusals, cause)
        return JobStep(record=record, wait=seconds, token=str(own), error=error)

    # the status

    def _check(self, record: JobRecord, wait: JobWait) -> JobStep:
        """Check the status of a job once."""
        poll = wait.poll
        with self._engine.reporter.operation(Operation(name="status", job_id=poll.job_id)):
            found = wait.check()
        if isinstance(found, Failed):
            error = status_error(poll.job_id, found.error)
            if isinstance(found.error, NotFoundError):
                return self._give_up(record, poll, error)
            return self._later(record, poll, self._after_failure(poll, ODD_PAUSE), error)
        if not isinstance(found, Finished):
            return self._later(record, poll, found, wait.error)
        last = wait.end(found)
        if last.status == "failed":
            return self._end(record, {"state": "failed", "status": "failed", "error": last.error})
        return self._fetch(record, poll)

    # the video

    def _fetch(self, record: JobRecord, poll: JobPoll) -> JobStep:
        """Save the video of a job, which is ready."""
        if self._arguments.file_of is None and self._arguments.store is None:
            return self._end(record, {"state": "completed", "status": "completed", "poll": poll.to_json()})
        claim, now = Claim(), self._recorder.now()
        claimed = self._write(
            record, state="completed", status="completed", owner=claim.owner, due_at=now, poll=poll.to_json()
        )
        if claimed is None:
            return self._lost(record)
        try:
            saved_to = self._saved(claimed, poll.job_id)
        except Exception as error:
            return self._not_saved(claimed, poll, error)
        else:
            return self._end(claimed, {"state": "delivered", "saved_to": saved_to})
        finally:
            claim.ended = True
            self._recorder.release(poll.job_id, claim)

    def _saved(self, record: JobRecord, job_id: str) -> str:
        """Fetch a video, and return where it was saved to."""
        if self._arguments.file_of is not None:
            target = in_thread(partial(self._target, record))
            self._download(record, job_id, target)
            return str(target)
        with TemporaryDirectory(prefix="decart-") as folder:
            path = Path(folder, f"{job_id}.mp4")
            self._download(record, job_id, path)
            assert self._arguments.store is not None  # or there would be a file
            place: object = in_thread(partial(self._arguments.store, record, path))
        if not isinstance(place, str):
            raise refuse("store", "a function that returns where it has stored the video, as a str", place)
        return place

    def _target(self, record: JobRecord) -> Path:
        assert self._arguments.file_of is not None  # it is asked for
        return prepared(self._arguments.file_of(record))

    def _download(self, record: JobRecord, job_id: str, path: Path) -> None:
        last = JobStatusResponse(job_id=job_id, status="completed", model=record.model)
        self._operations.result(last, CallState(job_id), WaitArguments(save_to=path))

    def _not_saved(self, record: JobRecord, poll: JobPoll, error: Exception) -> JobStep:
        """Return when to try again to save a video, or give up."""
        cause = getattr(error, "cause", None)
        if isinstance(cause, NotFoundError):
            return self._give_up(record, poll, error)
        poll.failures += 1
        next_attempt = self._after_failure(poll, next_pause(self._retry, poll.failures, cause))
        return self._later(record, poll, next_attempt, error)

    # how a step ends

    def _after_failure(self, poll: JobPoll, seconds: float) -> Wait | TimedOut:
        """Return what follows a failure: the next attempt, unless the time is over."""
        left = poll.deadline - self._recorder.now()
        return TimedOut() if left < TICK else Wait(min(seconds, left))

    def _later(self, record: JobRecord, poll: JobPoll, found: object, error: Exception | None = None) -> JobStep:
        """End a step that another one follows, unless the time is over."""
        if not isinstance(found, Wait):
            return self._give_up(record, poll, error if error is not None else _timeout(poll))
        status = poll.status.status if poll.status is not None else record.status
        written = self._write(
            record,
            steps=record.steps + 1,
            due_at=self._recorder.now() + found.seconds,
            status=status,
            poll=poll.to_json(),
            owner="",
        )
        if written is None:
            return self._lost(record)
        token = Token(generation=written.generation, number=written.steps)
        return JobStep(record=written, wait=found.seconds, token=str(token), error=error)

    def _give_up(self, record: JobRecord, poll: JobPoll, error: Exception) -> JobStep:
        """End the steps of a job that may still finish; ``client.jobs.resume`` waits for it, and so does a new step."""
        return self._end(record, {"error": str(error), "poll": poll.to_json()}, error)

    def _end(self, record: JobRecord, changes: Mapping[str, Any], error: Exception | None = None) -> JobStep:
        """End the steps of a job. Whoever is to know that is told first: after a crash in between, it is told again."""
        final = {"steps": record.steps + 1, "due_at": None, "poll": None, "owner": "", **changes}
        token = Token(generation=record.generation, number=record.steps)
        step = self._ended(record.changed(self._recorder.now(), **final), token, error)
        if step.wait is not None:
            return step
        return step if self._write(record, **final) is not None else self._lost(record)

    def _ended(self, record: JobRecord, token: Token, error: Exception | None = None) -> JobStep:
        """Tell that a job has ended."""
        step = JobStep(record=record, error=error)
        if self._arguments.on_done is not None:
            try:
                result_of(self._arguments.on_done(step))
            except Exception as failure:
                return JobStep(record=record, wait=LOOK_AGAIN, token=str(token), error=failure)
        return step

    def _write(self, record: JobRecord, **changes: Any) -> JobRecord | None:
        """Record the outcome of a step, unless somebody else has made it meanwhile."""
        while True:
            changed = record.changed(self._recorder.now(), **changes)
            if finish_in_thread(partial(self._journal.replace, changed)):
                return changed
            current = in_thread(partial(self._journal.latest, record.label))
            if current is None or _turn(current) != _turn(record):
                return None
            record = current

    def _lost(self, record: JobRecord) -> JobStep:
        """Return what is next for a step that somebody else has made meanwhile."""
        token = Token(generation=record.generation, number=record.steps)
        current = in_thread(partial(self._journal.latest, record.label))
        if current is None:
            return JobStep(record=record, superseded=True)
        act = next_act(current, token, self._recorder.now())
        if act.kind == "leave":
            return JobStep(record=current, superseded=True)
        return JobStep(record=current, wait=max(act.seconds, LOOK_AGAIN), token=str(act.token or token))


def _turn(record: JobRecord) -> tuple[object, ...]:
    """Return what stays the same while only the status of a job is noted."""
    return record.generation, record.steps, record.owner, record.state


def _timeout(poll: JobPoll) -> DecartSDKError:
    """Return the error of a wait whose time is over."""
    try:
        timed_out(poll).raise_for_status()
    except DecartSDKError as error:
        return error.with_traceback(None)
    raise AssertionError  # pragma: no cover - it always raises
