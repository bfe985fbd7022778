"""The Queue API: submit a job, check its status, fetch its result, or all of it in one call."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from ..arguments import WaitArguments, shown_progress, wait_arguments
from ..downloads import Download
from ..inputs import JobInput
from ..jobs import JobStatusResponse, JobSubmitResponse, PollStep, first_status
from ..options import JobOptions, OnStatusChange, from_options
from ..outcomes import (
    CallState,
    Cancellation,
    download_cancelled,
    finished,
    result_errors,
    status_error,
    status_errors,
    submit_cancelled,
    submit_errors,
    timed_out,
)
from ..partfile import check_target
from ..policies import PollPolicy, repeat_read, repeat_submit
from ..polling import Failed, Finished, JobPoll, TimedOut, Wait
from ..progress import OnProgress, ShowProgress
from ..protocol import AnyJob, job_id_of, status_call, submit_call
from ..ranges import Wanted
from ..results import QueueJobResult, to_result
from .backend import AWAITED, CancelEvent, in_thread
from .engine import AsyncEngine
from .streams import AsyncVideoStream
from .transfers import AsyncTransfer, fetch, save
from .waits import AsyncJobWait


class AsyncQueueClient:
    """The queue of one client; reach it as ``client.queue``. Any number of threads and tasks may use it at once.

    Wherever a job is asked for, its id will do, from any process, and so will what ``submit`` or ``status`` returned.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def submit(
        self, options: JobOptions | JobInput, *, progress: ShowProgress | None = None
    ) -> JobSubmitResponse:
        """Submit a job and return at once, with its id.

        This is the call that costs money. It is repeated only if the service surely did not accept it.

        Args:
            options: A dict with ``model`` and the model's inputs, or an input object such as ``TextToVideoInput``.
            progress: Called with a ``Progress``, in bytes, at most ten times a second while the inputs are sent; True
                for a bar (extra ``progress``).

        Returns:
            The job's id and first status. The id is all that is needed to come back to the job, from any process.

        Raises:
            InvalidInputError: An input cannot be used; nothing was sent.
            QueueSubmitError: The job was not accepted; nothing was billed.
            SubmitOutcomeUnknownError: The job may have been accepted and billed; check before submitting again.

        Example:
            >>> job = await client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"})
            >>> job.status
            'pending'
        """
        state = CallState()
        try:
            with shown_progress(progress, awaited=AWAITED) as (on_progress, _):
                return await self._submit(options, state, on_progress)
        except BaseException as error:
            state.explain(error)
            raise

    async def status(self, job: AnyJob) -> JobStatusResponse:
        """Check the status of a job. Free of charge.

        Raises:
            InvalidInputError: ``job`` is not a job id.
            QueueStatusError: The status could not be read; ``cause`` says why.

        Example:
            >>> (await client.queue.status(job)).status
            'processing'
        """
        job_id = job_id_of(job)
        with status_errors(job_id), self._engine.reporter.operation("status", job_id=job_id):
            return await self._status(job_id)

    async def result(self, job: AnyJob) -> QueueJobResult:
        """Fetch the result of a finished job, with the video in memory. Free of charge, and can be repeated.

        Returns:
            The video as ``data``, or for a failed job the reason as ``error``.

        Raises:
            InvalidInputError: ``job`` is not a job id.
            QueueResultError: The job has not finished yet, or its result could not be fetched.

        Example:
            >>> (await client.queue.result(job)).save("lake.mp4")
            PosixPath('lake.mp4')
        """
        job_id = job_id_of(job)
        state = CallState(job_id)
        try:
            return await self._result(await self._last_status(job_id), state)
        except BaseException as error:
            state.explain(error)
            raise

    async def download(
        self, job: AnyJob, path: str | os.PathLike[str], *, progress: ShowProgress | None = None
    ) -> Path:
        """Download the video of a finished job into a file, without holding it in memory. Free of charge.

        The bytes go to a hidden part file beside ``path``, which replaces ``path`` once it is complete and on disk. A
        broken connection is not a failure as long as each attempt receives some data; after a crash, the same call
        continues where it stopped.

        Args:
            job: The job, from any process.
            path: The file. One that exists is replaced and its permissions are kept; a symlink is followed; a FIFO or
                device is refused.
            progress: Called with a ``Progress``, in bytes, at most ten times a second; True for a bar.

        Returns:
            The absolute path.

        Raises:
            InvalidInputError: ``job`` is not a job id, or ``path`` cannot be written to; nothing was sent.
            QueueResultError: The job has not finished yet, or its video could not be fetched; what arrived is kept.
            JobFailedError: The job failed, and there is no video.
            OSError: The disk is full.

        Example:
            >>> (await client.queue.download(job, "lake.mp4")).name
            'lake.mp4'
        """
        job_id = job_id_of(job)
        state = CallState(job_id)
        try:
            target = check_target(path)
            with shown_progress(progress, awaited=AWAITED) as (on_progress, _):
                arguments = WaitArguments(save_to=target, on_progress=on_progress)
                result = await self._result(await self._last_status(job_id), state, arguments)
            result.raise_for_status()
            return target
        except BaseException as error:
            state.explain(error)
            raise

    def stream(self, job: AnyJob, *, range: str | None = None, if_range: str | None = None) -> AsyncVideoStream:
        """Return the video of a finished job piece by piece, for a web view. Free of charge.

        Nothing is sent until the stream is opened, by ``with``, ``open()`` or the first chunk.

        Args:
            job: The job, from any process.
            range: The requested part: a browser's ``Range`` header as it came (``"bytes=100-199"``). The stream has the
                complete video for ``None``, for a header that HTTP lets a server ignore, and where the service does not
                support ranges.
            if_range: The browser's ``If-Range`` header, which goes with it.

        Returns:
            A context manager and iterator of ``bytes``, with ``status`` (200, or 206 for a part), ``headers``,
            ``length`` and ``content_type``.

        Raises:
            InvalidInputError: ``job`` is not a job id, or a header is not a str.

        Example:
            >>> async with client.queue.stream(job) as video:
            ...     size = sum([len(chunk) async for chunk in video])
        """
        job_id = job_id_of(job)
        transfer = self._transfer(job_id, restartable=False, wanted=Wanted.of(range, if_range))
        return AsyncVideoStream(transfer, partial(self._last_status, job_id))

    async def poll(
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
            WaitCancelledError: ``cancel`` was set; the job goes on.

        Example:
            >>> (await client.queue.poll(job)).status
            'completed'
        """
        job_id = job_id_of(job)
        state = CallState(job_id)
        try:
            with wait_arguments(
                on_status_change=on_status_change,
                poll=poll,
                cancel=cancel,
                save_to=save_to,
                progress=progress,
                awaited=AWAITED,
            ) as arguments:
                return await self._wait(job_id, state, arguments)
        except BaseException as error:
            state.explain(error)
            raise

    async def submit_and_poll(
        self,
        options: JobOptions | JobInput,
        *,
        on_status_change: OnStatusChange | None = None,
        poll: PollPolicy | None = None,
        cancel: CancelEvent | None = None,
        save_to: str | os.PathLike[str] | None = None,
        progress: ShowProgress | None = None,
    ) -> QueueJobResult:
        """Submit a job, wait until it finishes, and return its result: ``submit``, then ``poll``.

        Args:
            options: As for ``submit``; a dict may hold ``on_status_change``, too.
            on_status_change: Called with the status, a ``JobStatusResponse``, whenever it changes, ``pending`` first.
            poll: How often to check the status and for how many seconds after the accepted submit; defaults to the
                client's policy.
            cancel: An event that ends the wait when it is set.
            save_to: A file that the video goes to instead of memory, as with ``download``.
            progress: Called with a ``Progress``, in bytes, at most ten times a second: while the inputs are sent, and
                while the video is downloaded to ``save_to``; True for a bar, which shows the job's status and the
                elapsed time in between.

        Returns:
            The video as ``data``, or its file as ``path``; for a job that failed, or did not finish in time, the reason
            as ``error``.

        Raises:
            InvalidInputError: An input cannot be used; nothing was sent.
            QueueSubmitError: The job was not accepted; nothing was billed.
            SubmitOutcomeUnknownError: The job may have been accepted and billed; check before submitting again.
            QueueStatusError, QueueResultError, WaitCancelledError: As for ``poll``; ``job_id`` is in each.

        Example:
            >>> result = await client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})
            >>> result.save("lake.mp4")
            PosixPath('lake.mp4')
        """
        state = CallState()
        try:
            with wait_arguments(
                options=options,
                on_status_change=on_status_change,
                poll=poll,
                cancel=cancel,
                save_to=save_to,
                progress=progress,
                awaited=AWAITED,
            ) as arguments:
                job = await self._submit(options, state, arguments.on_progress, cancel)
                return await self._wait(job.job_id, state, arguments, first_status(job))
        except BaseException as error:
            state.explain(error)
            raise

    async def poll_once(
        self, job: AnyJob, state: dict[str, Any] | None = None, *, poll: PollPolicy | None = None
    ) -> PollStep:
        """Check the status once: one step of a wait, for programs with a scheduler of their own. Free of charge.

        Many such steps, in any processes, make the same status checks at the same pace as one call of ``poll``.

        Args:
            job: The job, from any process.
            state: The ``state`` of the previous step; ``None`` for the first.
            poll: The policy of the wait, for its first step; defaults to the client's.

        Returns:
            The finished job as ``job``, or the seconds to wait as ``wait``, with a JSON ``state`` for the next step.

        Raises:
            InvalidInputError: ``job`` is not a job id, or ``state`` is not one of its states.
            QueueStatusError: No status check can succeed, as for an unknown job or a refused key.
            JobTimeoutError: The deadline of the wait has passed; the job may still finish.

        Example:
            >>> step = await client.queue.poll_once(job)
            >>> step.wait
            0.5
        """
        job_id = job_id_of(job)
        clock = self._engine.time
        job_poll = self._new_poll(job_id, poll, clock()) if state is None else JobPoll.from_json(state, job_id)
        with self._engine.reporter.operation("status", job_id=job_id):
            step = await AsyncJobWait(engine=self._engine, poll=job_poll, now=clock).check()
        if isinstance(step, Failed):
            raise status_error(job_id, step.error) from step.error
        if isinstance(step, TimedOut):
            timed_out(job_poll).raise_for_status()
        return PollStep(
            job=step.status if isinstance(step, Finished) else None,
            wait=step.seconds if isinstance(step, Wait) else 0.0,
            state=job_poll.to_json(),
        )

    async def _submit(
        self,
        options: JobOptions | JobInput,
        state: CallState,
        on_progress: OnProgress | None,
        cancel: CancelEvent | None = None,
    ) -> JobSubmitResponse:
        """Submit a job, and note its id as soon as it is known."""
        job = from_options(options)
        engine = self._engine
        cancellation = Cancellation(cancel, submit_cancelled)

        meter = engine.meter("upload", on_progress)

        def may_start() -> None:
            engine.check_open()
            cancellation.check()

        def on_sent(done: int, total: int) -> None:
            state.sent = True
            meter.at(done, total)

        build = partial(
            submit_call, engine.settings, job, on_sent=on_sent, may_start=may_start, on_accepted=state.accept
        )
        call = await in_thread(build) if job.has_files else build()
        with submit_errors(), engine.reporter.operation("submit", model=job.model.name):
            accepted = await engine.send(call, repeat_submit, cancel=cancellation)
            engine.accepted(job, accepted)
        return accepted

    async def _status(self, job_id: str) -> JobStatusResponse:
        call = status_call(self._engine.settings, job_id)
        return self._engine.with_age(await self._engine.send(call, repeat_read))

    async def _last_status(self, job_id: str) -> JobStatusResponse:
        """Return the last status of a job that has finished."""
        with result_errors(job_id), self._engine.reporter.operation("status", job_id=job_id):
            status = await self._status(job_id)
        return finished(status)

    async def _wait(
        self, job_id: str, state: CallState, arguments: WaitArguments, known: JobStatusResponse | None = None
    ) -> QueueJobResult:
        engine = self._engine
        poll = self._new_poll(job_id, arguments.poll, engine.transport.now())
        wait = AsyncJobWait(engine=engine, poll=poll, now=engine.transport.now, arguments=arguments, known=known)
        with engine.reporter.operation("wait", job_id=job_id):
            step = await wait.run()
            if isinstance(step, Finished) and step.status.status == "completed" and poll.last_running is not None:
                engine.memory.completed(job_id, engine.transport.now(), poll.last_running)
            if isinstance(step, Failed):
                raise status_error(job_id, step.error) from step.error
        if isinstance(step, Finished):
            return await self._result(step.status, state, arguments, poll)
        return timed_out(poll)

    async def _result(
        self,
        last: JobStatusResponse,
        state: CallState,
        arguments: WaitArguments = WaitArguments(),  # noqa: B008 - it is frozen
        poll: JobPoll | None = None,
    ) -> QueueJobResult:
        """Fetch the result of a job into memory or a file, if it has one."""
        if last.status == "failed":
            return to_result(last)
        state.finished = True
        job_id = last.job_id
        transfer = self._transfer(job_id, arguments=arguments, poll=poll)
        with result_errors(job_id), self._engine.reporter.operation("download", job_id=job_id):
            if arguments.save_to is not None:
                return to_result(last, path=await save(transfer, arguments.save_to))
            return to_result(last, data=await fetch(transfer))

    def _new_poll(self, job_id: str, policy: PollPolicy | None, now: float) -> JobPoll:
        """Begin a wait at a time on any clock."""
        config, memory = self._engine.config, self._engine.memory
        submitted = memory.submitted_at(job_id)
        own_policy = policy or config.poll
        return JobPoll(
            job_id=job_id,
            started=now,
            policy=own_policy or PollPolicy(),
            retry=config.retry,
            accepted=None if submitted is None else now - (self._engine.transport.now() - submitted),
            expectation=memory.expectation(job_id) if own_policy is None else None,
        )

    def _transfer(
        self,
        job_id: str,
        *,
        arguments: WaitArguments = WaitArguments(),  # noqa: B008 - it is frozen
        poll: JobPoll | None = None,
        restartable: bool = True,
        wanted: Wanted = Wanted(),  # noqa: B008 - it is frozen
    ) -> AsyncTransfer:
        """Begin a download, whose time counts from now; the deadline of a wait that it ends applies, too."""
        engine = self._engine
        now = engine.transport.now()
        patience = engine.config.retry.timeout if poll is None else poll.remaining(now)
        total = engine.settings.timeout.total
        download = Download(
            job_id=job_id,
            settings=engine.settings,
            retry=engine.config.retry,
            give_up=float("inf") if patience is None else now + patience,
            deadline=float("inf") if total is None else now + total,
            accepted=engine.memory.submitted_at(job_id),
            restartable=restartable,
            wanted=wanted,
        )
        return AsyncTransfer(
            engine=engine,
            download=download,
            meter=engine.meter("download", arguments.on_progress, job_id),
            cancel=Cancellation(arguments.cancel, partial(download_cancelled, job_id)),
        )
