"""The Queue API: submit a job, check its status, fetch its result, or all of it in one call."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack, overload

from ..arguments import WaitArguments, shown_progress, wait_arguments
from ..downloads import RequestedRange
from ..file_inputs import VideoInput
from ..jobs import (
    CompletedJob,
    FailedJob,
    JobStatusResponse,
    JobSubmitResponse,
    PollStep,
    QueueJobResult,
    SavedJob,
    first_status,
)
from ..options import JobOptions, OnStatusChange, callback_of
from ..outcomes import CallState
from ..policies import PollPolicy
from ..progress import ShowProgress
from ..protocol import AnyJob, job_id_of
from ..targets import check_target
from .backend import AWAITED, CancelEvent
from .engine import AsyncEngine
from .operations import AsyncOperations
from .transfers import AsyncVideoStream


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


class AsyncQueueClient:
    """The queue of one client; reach it as ``client.queue``. Any number of threads and tasks may use it at once.

    Wherever a job is asked for, its id will do, from any process, and so will what ``submit`` or ``status`` returned.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._operations = AsyncOperations(engine)

    async def submit(
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
            >>> job = await client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"})
            >>> job.status
            'pending'
        """
        state = CallState()
        try:
            with shown_progress(progress, awaited=AWAITED) as (on_progress, _):
                return await self._operations.submit(options, state, on_progress, label=label, again=again)
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
        job_id = job_id_of(job, self._engine.settings)
        state = CallState(job_id)
        try:
            return await self._engine.status(job_id)
        except BaseException as error:
            state.explain(error)
            raise

    async def result(self, job: AnyJob) -> CompletedJob | FailedJob:
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
        job_id = job_id_of(job, self._engine.settings)
        state = CallState(job_id)
        try:
            result = await self._operations.result(await self._operations.last_status(job_id), state)
            assert not isinstance(result, SavedJob)  # it is in memory
            return result
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
        job_id, target = job_id_of(job, self._engine.settings), check_target(path)
        state = CallState(job_id)
        try:
            with shown_progress(progress, awaited=AWAITED) as (on_progress, _):
                arguments = WaitArguments(save_to=target, on_progress=on_progress)
                result = await self._operations.result(await self._operations.last_status(job_id), state, arguments)
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
        job_id = job_id_of(job, self._engine.settings)
        transfer = self._operations.transfer(job_id, restartable=False, requested=RequestedRange.parse(range, if_range))
        return AsyncVideoStream(transfer, partial(self._operations.last_status, job_id))

    @overload
    async def poll(
        self, job: AnyJob, *, save_to: None = None, **wait: Unpack[WaitOptions]
    ) -> CompletedJob | FailedJob: ...
    @overload
    async def poll(
        self, job: AnyJob, *, save_to: str | os.PathLike[str], **wait: Unpack[WaitOptions]
    ) -> SavedJob | FailedJob: ...
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
        Whatever does end it, such as Ctrl-C, carries the ``job_id`` and a note on how to resume.

        With ``asyncio.timeout``, they are on the ``__cause__`` of its ``TimeoutError``, and in the log.

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
            >>> (await client.queue.poll(job)).status
            'completed'
        """
        job_id = job_id_of(job, self._engine.settings)
        state = CallState()
        try:
            with shown_progress(progress, awaited=AWAITED) as shown:
                arguments = wait_arguments(on_status_change, poll, cancel, save_to, shown, awaited=AWAITED)
                state.job_id = job_id
                return await self._operations.wait(job_id, state, arguments)
        except BaseException as error:
            state.explain(error)
            raise

    @overload
    async def submit_and_poll(
        self, options: JobOptions | VideoInput, *, save_to: None = None, **wait: Unpack[SubmitOptions]
    ) -> CompletedJob | FailedJob: ...
    @overload
    async def submit_and_poll(
        self, options: JobOptions | VideoInput, *, save_to: str | os.PathLike[str], **wait: Unpack[SubmitOptions]
    ) -> SavedJob | FailedJob: ...
    async def submit_and_poll(
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
            >>> result = await client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})
            >>> result.save("lake.mp4")
            PosixPath('lake.mp4')
        """
        state = CallState(waits=True)
        try:
            callback = callback_of(options, on_status_change)
            with shown_progress(progress, awaited=AWAITED) as shown:
                arguments = wait_arguments(callback, poll, cancel, save_to, shown, awaited=AWAITED)
                job = await self._operations.submit(
                    options, state, arguments.on_progress, cancel, label=label, again=again
                )
                known = None if state.job_id is None else first_status(job)
                state.job_id = job.job_id
                return await self._operations.wait(job.job_id, state, arguments, known)
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
            poll: The policy of the wait, given with its first step only; defaults to the client's.

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
        job_id = job_id_of(job, self._engine.settings)
        call_state = CallState(job_id)
        try:
            return await self._operations.poll_once(job_id, state, poll)
        except BaseException as error:
            call_state.explain(error)
            raise
