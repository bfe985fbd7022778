# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""The Queue API: submit a job, check its status, fetch its result, or all of it in one call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from ..arguments import shown_progress, wait_arguments
from ..file_inputs import VideoInput
from ..jobs import CompletedJob, FailedJob, JobSubmitResponse, PollStep, QueueJobResult, SavedJob
from ..options import JobOptions, OnStatusChange, callback_of
from ..outcomes import CallState
from ..policies import PollPolicy
from ..progress import ShowPoolProgress, ShowProgress
from ..protocol import AnyJob, job_id_of
from .backend import AWAITED, CancelEvent
from .finished import FinishedJobs

if TYPE_CHECKING:
    from .pool import JobPool


class WaitOptions(TypedDict, total=False):
    """The arguments that ``poll`` and ``submit_and_poll`` share, for type checkers."""

    on_status_change: OnStatusChange | None
    poll: PollPolicy | None
    cancel: CancelEvent | None
    progress: ShowProgress | None


class SubmitOptions(WaitOptions, total=False):
    """The arguments of ``submit_and_poll``, for type checkers."""

    label: str | None
    again: bool


class QueueClient(FinishedJobs):
    """The queue of one client; reach it as ``client.queue``. Any number of threads and tasks may use it at once.

    Wherever a job is asked for, its id will do, from any process, and so will what ``submit`` or ``status`` returned,
    or its record in ``client.jobs``.
    """

    def submit(
        self,
        options: JobOptions | VideoInput,
        *,
        label: str | None = None,
        again: bool = False,
        progress: ShowProgress | None = None,
    ) -> JobSubmitResponse:
        """Submit a job and return at once, with its id.

        This is the call that costs money. It is repeated only if the service certainly did not accept it.

        Args:
            options: A dict with ``model`` and the model's inputs, or an input object such as ``TextToVideoInput``.
            label: Your name for the job, such as an order number, for a client with a journal: however often, and
                wherever, a label is submitted, there is one job, which is returned each time.
            again: Submit it anew if the job of the label has ended.
            progress: Called with a ``Progress``, in bytes, at most ten times a second while the inputs are sent; True
                for a bar (extra ``progress``).

        Returns:
            The job's id and first status. The id is all that is needed to come back to the job, from any process.

        Raises:
            InvalidInputError: An input cannot be used; nothing was sent.
            QueueSubmitError: The job was not accepted; nothing was billed.
            SubmitOutcomeUnknownError: The job may have been accepted and billed; check before submitting again.
            LabelConflictError: The label belongs to another request; nothing was sent.
            JournalError: The journal cannot be used: nothing was sent, or the error has the ``job_id``.

        Example:
            >>> job = client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"})
            >>> job.status
            'pending'
        """
        state = CallState()
        try:
            with shown_progress(progress, awaited=AWAITED) as (on_progress, _):
                return self._operations.submit(options, state, on_progress, label=label, again=again)
        except BaseException as error:
            state.explain(error)
            raise

    @overload
    def poll(
        self, job: AnyJob, *, save_to: None = None, **wait: Unpack[WaitOptions]
    ) -> CompletedJob | FailedJob: ...
    @overload
    def poll(
        self, job: AnyJob, *, save_to: str | os.PathLike[str], **wait: Unpack[WaitOptions]
    ) -> SavedJob | FailedJob: ...
    def poll(
        self,
        job: AnyJob,
        *,
        on_status_change: OnStatusChange | None = None,
        poll: PollPolicy | None = None,
        cancel: CancelEvent | None = None,
        save_to: str | os.PathLike[str] | None = None,
        progress: ShowProgress | None = None,
    ) -> QueueJobResult:
        """Wait for a job that was submitted earlier, by any process, and return its result.

        Failed status checks (the network, 5xx, 429, silence) do not end a wait; they are repeated until its deadline.
        Whatever does end it, such as Ctrl-C, carries the ``job_id`` and a note on how to resume.

        Args:
            job: The job, from any process.
            on_status_change: Called with the status, a ``JobStatusResponse``, whenever it changes, the first included.
            poll: How often to check the status and for how many seconds; defaults to the client's policy.
            cancel: An event that ends the wait when it is set.
            save_to: A file that the video goes to instead of memory, as with ``download``.
            progress: Called with a ``Progress``, in bytes, at most ten times a second while the video is downloaded to
                ``save_to``; True for a bar, which shows the job's status and the elapsed time before.

        Returns:
            The video as ``data``, or its file as ``path``; for a job that failed, or did not finish in time, the reason
            as ``error``.

        Raises:
            InvalidInputError: ``job`` is not a job id, or ``save_to`` cannot be written to.
            QueueStatusError: No status check can succeed, as for an unknown job or a refused key.
            QueueResultError: The job is done, but its result could not be fetched; ``result(job)`` tries again.
            WaitCancelledError: ``cancel`` was set; the job continues.

        Example:
            >>> (client.queue.poll(job)).status
            'completed'
        """
        job_id = job_id_of(job, self._engine.settings)
        state = CallState()
        try:
            with shown_progress(progress, awaited=AWAITED) as shown:
                arguments = wait_arguments(on_status_change, poll, cancel, save_to, shown, awaited=AWAITED)
                state.job_id = job_id
                return self._operations.wait(job_id, state, arguments)
        except BaseException as error:
            state.explain(error)
            raise

    @overload
    def submit_and_poll(
        self, options: JobOptions | VideoInput, *, save_to: None = None, **wait: Unpack[SubmitOptions]
    ) -> CompletedJob | FailedJob: ...
    @overload
    def submit_and_poll(
        self, options: JobOptions | VideoInput, *, save_to: str | os.PathLike[str], **wait: Unpack[SubmitOptions]
    ) -> SavedJob | FailedJob: ...
    def submit_and_poll(
        self,
        options: JobOptions | VideoInput,
        *,
        label: str | None = None,
        again: bool = False,
        on_status_change: OnStatusChange | None = None,
        poll: PollPolicy | None = None,
        cancel: CancelEvent | None = None,
        save_to: str | os.PathLike[str] | None = None,
        progress: ShowProgress | None = None,
    ) -> QueueJobResult:
        """Submit a job, wait until it finishes, and return its result: ``submit``, then ``poll``.

        Args:
            options: As for ``submit``; a dict may hold ``on_status_change``, too.
            label, again: As for ``submit``.
            on_status_change, save_to: As for ``poll``.
            cancel: As for ``poll``. A submit heeds it before it is sent, and not while it uploads; the wait does after.
            poll: As for ``poll``; its ``timeout`` counts from the accepted submit.
            progress: As for ``poll``, and called while the inputs are sent, too.

        Returns:
            What ``poll`` returns.

        Raises:
            InvalidInputError: An input cannot be used; nothing was sent.
            QueueSubmitError: The job was not accepted; nothing was billed.
            SubmitOutcomeUnknownError: The job may have been accepted and billed; check before submitting again.
            QueueStatusError, QueueResultError, WaitCancelledError: As for ``poll``; ``job_id`` is in each.

        Example:
            >>> result = client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})
            >>> result.save("lake.mp4")
            PosixPath('lake.mp4')
        """
        state = CallState(waits=True)
        try:
            callback = callback_of(options, on_status_change)
            with shown_progress(progress, awaited=AWAITED) as shown:
                arguments = wait_arguments(callback, poll, cancel, save_to, shown, awaited=AWAITED)
                job = self._operations.submit(
                    options, state, arguments.on_progress, cancel, label=label, again=again
                )
                state.job_id = job.job_id
                return self._operations.wait(job.job_id, state, arguments)
        except BaseException as error:
            state.explain(error)
            raise

    def poll_once(
        self, job: AnyJob, state: dict[str, Any] | None = None, *, poll: PollPolicy | None = None
    ) -> PollStep:
        """Check the status once: one step of a wait, for programs with a scheduler of their own. Free of charge.

        Many such steps, in any processes, make the same status checks at the same pace as one call of ``poll``.

        Args:
            job: The job, from any process.
            state: The ``state`` of the previous step; ``None`` for the first.
            poll: The policy of the wait, given with its first step only; defaults to the client's.

        Returns:
            The finished job as ``job``, or the seconds to wait as ``wait``, with a JSON ``state`` for the next step.

        Raises:
            InvalidInputError: ``job`` is not a job id, or ``state`` is not one of its states.
            QueueStatusError: No status check can succeed, as for an unknown job or a refused key.
            JobTimeoutError: The deadline of the wait has passed; the job may still finish.

        Example:
            >>> step = client.queue.poll_once(job)
            >>> step.wait
            0.5
        """
        job_id = job_id_of(job, self._engine.settings)
        call_state = CallState(job_id)
        try:
            return self._operations.poll_once(job_id, state, poll)
        except BaseException as error:
            call_state.explain(error)
            raise

    def pool(
        self,
        max_in_flight: int = 20,
        *,
        workers: int = 16,
        max_checks_per_second: float = 200.0,
        max_spend: float | None = None,
        retry_failed: bool = False,
        progress: ShowPoolProgress | None = None,
    ) -> JobPool:
        """Return a pool that runs many jobs with a few threads or tasks, for a ``with`` block.

        ``pool.submit(options, label=None, save_to=None)`` returns a future of what ``submit_and_poll`` returns.
        ``pool.map(jobs, order_outputs=True, return_exceptions=False, save_to=None, label=None, resume=False)`` yields
        the results of any number of jobs. Leaving the block waits for all jobs.

        The status of each job is checked as by ``poll``, with the policy of the client. Where the service asks for it
        (429, 503), the pool slows down, and submits again what was refused.

        Args:
            max_in_flight: The most jobs that are submitted and have not ended.
            workers: The most requests at once, and threads of the sync client.
            max_checks_per_second: The most status checks, of all jobs together.
            max_spend: What the jobs of this pool may cost by the ``prices`` of the client. A job that would exceed it
                fails with ``SpendLimitError`` before it is sent. What earlier runs have paid for does not count.
            retry_failed: Submit a label anew, and pay again, whose job has failed in an earlier run.
            progress: Called with a ``PoolProgress`` when it has changed, at most ten times a second, and at the end;
                True for one bar for all jobs (extra ``progress``).

        Raises:
            InvalidInputError: An argument cannot be used.

        Example:
            >>> with client.queue.pool() as pool:
            ...     job = pool.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}, save_to="lake.mp4")
        """
        from ..pool.options import PoolLimits  # only a program that uses a pool loads one
        from ..pool.spending import Spending
        from .pool import JobPool
        from .poolreporter import PoolReporter

        limits = PoolLimits(
            max_in_flight=max_in_flight,
            workers=workers,
            max_checks_per_second=max_checks_per_second,
            retry_failed=retry_failed,
        )
        spending = Spending(self._engine.shared.prices, max_spend)
        return JobPool(self._operations, limits, spending, PoolReporter(progress))
