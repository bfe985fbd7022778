"""What the queue knows about jobs that were submitted, by any process: their status and their results."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from ..arguments import WaitArguments, shown_progress
from ..downloads import RequestedRange
from ..jobs import CompletedJob, FailedJob, JobStatusResponse, SavedJob
from ..outcomes import CallState
from ..progress import ShowProgress
from ..protocol import AnyJob, job_id_of
from ..targets import check_target
from .backend import AWAITED
from .engine import AsyncEngine
from .operations import AsyncOperations
from .transfers import AsyncVideoStream


class AsyncFinishedJobs:
    """The methods of ``client.queue`` that neither submit a job nor wait for one."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._operations = AsyncOperations(engine)

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
