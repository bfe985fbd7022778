# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""The jobs of a client with a journal: what is unfinished, what it cost, and what to do after a crash."""

from __future__ import annotations

from typing import Any, cast

from ..arguments import wait_arguments
from ..errors import InvalidInputError
from ..inputs import refuse
from ..jobs import JobSubmitResponse
from ..journal.files import files_named
from ..journal.jobstep import JobStep, OnDone, SaveTo, Store, Token, step_arguments
from ..journal.labels import check_label, check_ours, decided
from ..journal.records import UNFINISHED, JobRecord
from ..journal.reports import ResumedJob
from ..models import video
from ..options import JobOptions
from ..outcomes import CallState
from ..policies import PollPolicy
from ..protocol import is_id
from .backend import AWAITED, CancelEvent
from .records import JobRecords
from .resuming import resume
from .settling import settle
from .stepping import Stepper
from .sweeping import Sweep


class JobsClient(JobRecords):
    """The jobs in the journal of a client; reach them as ``client.jobs``.

    Example:
        >>> for record in client.jobs.pending():
        ...     print(record.label, record.state, record.job_id)
    """

    def resume(
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
            A ``ResumedJob`` for each: its ``record``, and its ``result`` or ``error``. A job whose file has the video
            of another label, from this call or an earlier one, is not waited for: its ``error`` says so.

        Raises:
            InvalidInputError: An argument cannot be used.
            JournalError: The journal cannot be read.
            WaitCancelledError: ``cancel`` was set.

        Example:
            >>> for job in client.jobs.resume(save_to="videos/{label}.mp4"):
            ...     print(job.record.label, job.result or job.error)
        """
        arguments = wait_arguments(None, poll, cancel, None, (None, None), awaited=AWAITED)
        file_of = save_to if callable(save_to) else files_named(save_to)
        records = self.select(states=UNFINISHED)
        return resume(self._operations, self._recorder, records, file_of, arguments)

    def step(
        self,
        label: str,
        options: JobOptions | None = None,
        *,
        token: str | None = None,
        save_to: SaveTo | None = None,
        store: Store | None = None,
        on_done: OnDone | None = None,
        poll: PollPolicy | None = None,
    ) -> JobStep:
        """Make the next step of a job, for a task queue or another scheduler of your own.

        A step is one attempt to submit the job, which is billed if it is accepted; or one status check and, once the
        video is ready, one attempt to download it. It never waits for the job, nor before a retry. Its outcome is in
        the journal when it returns, so a step that was killed can be made again by any process, and two at once do no
        harm: a label is submitted once.

        Args:
            label: The label of the job.
            options: What to submit if the label has no job yet; as for ``client.queue.submit``. Pass the same options
                to each step: a submit that was refused for now needs them again.
            token: The ``token`` of the previous step. If a task is delivered twice, there are two schedulers for a job;
                by their tokens, one of them finds that it is ``superseded``.
            save_to: The file of the video: a path, in which ``{label}``, ``{job_id}``, ``{model}`` and
                ``{generation}`` are replaced, or a function of the record. Its folder is created.
            store: A function that stores the video elsewhere: it is called with the record and the path of a temporary
                file, and returns where it has stored the video, as a ``str``. If it raises, a later step downloads the
                video again. The async client calls it in a thread.
            on_done: Called with the last step, before the journal notes the end: after a crash it is called again. If
                it raises, a later step calls it again, until 10 minutes after the deadline.
            poll: The policy of the wait: its pauses, and a deadline that counts from the accepted submit, or from the
                first step of a job that was submitted otherwise. Only that step uses it; defaults to the client's.

        Returns:
            A ``JobStep``. Unless its ``wait`` is ``None``, make the next step in so many seconds. After the last one,
            its ``record.state`` says how the job ended: ``delivered``, ``failed``, ``refused``, or ``unknown``. If the
            deadline has passed or the service does not know the job, it is still ``accepted`` or ``completed``, with an
            ``error``, and a step without a token begins a new wait. Without ``save_to`` and ``store``, a job ends as
            ``completed``.

        Raises:
            InvalidInputError: An argument cannot be used, or the label has no job and there are no ``options``.
            JournalError: The journal cannot be used; make the step again. If it fails when the job was just accepted,
                the write is repeated for some seconds first.
            LabelConflictError: The label belongs to another request.

        Example:
            >>> step = client.jobs.step("order-1", options, save_to="videos/{label}.mp4")
            >>> while step.wait is not None:
            ...     time.sleep(step.wait)  # or have a task queue call this later
            ...     step = client.jobs.step("order-1", options, token=step.token, save_to="videos/{label}.mp4")
        """
        arguments = step_arguments(save_to, store, on_done, poll, many=False, awaited=AWAITED)
        recorder, label, last = self._recorder, check_label(label), None if token is None else Token.parse(token)
        recorder.write_again()
        return Stepper(self._operations, recorder, arguments).step(label, last, options)

    def sweep(
        self,
        *,
        save_to: SaveTo | None = None,
        store: Store | None = None,
        on_done: OnDone | None = None,
        poll: PollPolicy | None = None,
        seconds: float = 50.0,
        workers: int = 8,
    ) -> list[JobStep]:
        """Make the next step of each unfinished job of this account that is due. Nothing is submitted, or billed.

        Call it again and again: from cron, a periodic task or a loop. Passes that overlap share the work. A job that
        another live call is submitting or waiting for is left to it, and a scheduler with a token keeps its turn until
        the job has ended. A job that steps have given up, for example at its deadline, is left to ``resume`` or a new
        ``step``, and so is a video that was ready without a place to save it. An earlier job of a label that was
        submitted anew is left to ``resume``.

        Args:
            save_to, store, on_done, poll: As for ``step``; ``save_to`` must give each job a file of its own.
            seconds: No step begins later than so many seconds after the call, so that passes need not overlap.
            workers: The most steps at once, in threads of the sync client.

        Returns:
            The steps that were made. One that failed unexpectedly has its ``error``, and the others go on.

        Raises:
            InvalidInputError: An argument cannot be used.
            JournalError: The journal cannot be used. The steps that had begun are finished first.
        """
        arguments = step_arguments(save_to, store, on_done, poll, many=True, awaited=AWAITED)
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise refuse("workers", "a number of threads or tasks, 1 or more", workers)
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
            raise refuse("seconds", "a number above 0", seconds)
        recorder = self._recorder
        stepper = Stepper(self._operations, recorder, arguments, counted=False)
        sweep = Sweep(stepper, recorder.engine.transport.now, seconds)
        return sweep.run(self.select(states=UNFINISHED), workers)

    def settle(self, label: str, *, job_id: str | None) -> JobRecord:
        """Decide about a label whose outcome is unknown, once you have checked your account. Nothing is submitted.

        A ``job_id`` is verified with a status check, which is free. A job that was accepted, and that the service no
        longer knows, can be ended with ``job_id=None``, too: it has failed then. Only a client with the API key and the
        base URL of the submit can settle it, since another account says nothing about it.

        Args:
            label: The label.
            job_id: The job that it turned out to be; ``None`` if there is none, so that the label may be submitted.

        Raises:
            InvalidInputError: Its outcome is known, or ``job_id`` is that of another label, or of no job.
            LabelConflictError: It was submitted with another API key, or to another service; nothing was changed.
            QueueStatusError: The status could not be read; nothing was changed.
        """
        if job_id is not None and (not isinstance(job_id, str) or not is_id(job_id)):
            raise refuse("job_id", "the id of a job, or None", job_id)
        return settle(self._operations, self._recorder, self._record(label), job_id)

    def submit_again(self, label: str, options: JobOptions | None = None) -> JobSubmitResponse:
        """Submit a job whose outcome is unknown once more, which may bill it twice: a person must have decided so.

        Args:
            label: The label.
            options: The same options as before. They are not needed if the journal keeps inputs (``keep_inputs=True``)
                and the job has no files.

        Raises:
            InvalidInputError: Its outcome is known, or the options are needed.
            LabelConflictError: The options are not those of the label, or it was submitted with another API key, or to
                another service.
        """
        record = self._record(label)
        check_ours(record, self._recorder.origin, self._recorder.account)
        if record.state != "unknown":
            raise decided(record)
        if options is None:
            if record.inputs is None or set(record.fingerprint) != set(record.inputs):
                raise InvalidInputError(
                    f"options: the journal does not hold all inputs of the label {label!r}; pass the options of the "
                    "first submit. Nothing was sent."
                )
            given: Any = {"model": video(record.model), **record.inputs}
            options = cast(JobOptions, given)
        return self._operations.submit(options, CallState(), None, label=label, decided=True)

    def _record(self, label: str) -> JobRecord:
        """Return the record of a label that must have one."""
        record = self.get(label)
        if record is None:
            raise InvalidInputError(f"The journal has no job with the label {label!r}.")
        return record
