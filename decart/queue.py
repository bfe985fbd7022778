"""The queue's verbs, synchronously: submit a job, ask where it is, fetch its result, or all of it in one call.

They implement the service's Queue API. Each verb is a few lines, since everything that decides lives elsewhere:
`decart.protocol` knows the HTTP API, `decart.policies` when to repeat and when to stop, `decart._verbs` what to say.
`decart.aio` has the same verbs, awaited.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast, overload

from . import protocol
from ._core import Core
from ._verbs import (
    Saving,
    asking,
    check_download,
    check_order,
    check_progress,
    check_saving,
    check_wait,
    fetchable,
    fetching,
    finished,
    resumable,
    saved,
    showing,
    submitting,
)
from .inputs import JobInput
from .jobs import JobStatusResponse, JobSubmitResponse
from .options import JobOptions, OnStatusChange, from_options
from .policies import Deadline, PollPolicy, repeat_read, repeat_submit

if TYPE_CHECKING:
    from ._verbs import WaitArguments
    from .polling import Watch
    from .progress import OnProgress, ShowProgress
    from .results import CompletedJob, FailedJob, QueueJobResult, SavedJob
    from .streams import VideoStream


class QueueClient:
    """The queue of one ``DecartClient``; reach it as ``client.queue``. Safe to use from many threads at once."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def submit(self, options: JobOptions | JobInput, *, progress: ShowProgress | None = None) -> JobSubmitResponse:
        """Submit a job and return at once, with its id.

        This is the call that costs money. It is repeated only when the service surely did not accept it.

        Args:
            options: A dict with ``model`` and the model's inputs, or an input object such as ``TextToVideoInput``.
            progress: Called with a ``Progress``, in bytes, at most ten times a second while the inputs are sent; True
                for a bar (extra ``progress``).

        Returns:
            The job's id and first status. The id is all that is needed to come back to the job, from any process.

        Raises:
            InvalidInputError: An input cannot be used; nothing was sent.
            QueueSubmitError: The job was not accepted; nothing was billed.
            SubmitOutcomeUnknownError: The job may have been accepted and billed; look before submitting again.

        Example:
            >>> job = client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"})
            >>> job.status
            'pending'
        """
        with showing(progress) as shown:
            return self._submit(options, check_progress(shown.told, awaited=False))

    def status(self, job_id: str) -> JobStatusResponse:
        """Ask where a job is. Free of charge.

        Args:
            job_id: The id that ``submit`` returned, to this process or another.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id.
            QueueStatusError: The status could not be read; ``cause`` says why.

        Example:
            >>> client.queue.status(job.job_id).status
            'processing'
        """
        with asking(job_id):
            return self._core.send(self._core.question(job_id), repeat_read)

    def result(self, job_id: str) -> CompletedJob | FailedJob:
        """Fetch how a finished job ended, with the video in memory. Free of charge, and can be repeated.

        Args:
            job_id: The id that ``submit`` returned, to this process or another.

        Returns:
            The video as ``data``, or for a failed job the reason as ``error``.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id.
            QueueResultError: The job has not finished yet, or its result could not be fetched.

        Example:
            >>> client.queue.result(job.job_id).save("lake.mp4")
            PosixPath('lake.mp4')
        """
        return cast("CompletedJob | FailedJob", self._ending(self._last(job_id)))

    def download(self, job_id: str, path: str | os.PathLike[str], *, progress: ShowProgress | None = None) -> Path:
        """Fetch the video of a finished job into a file, and never hold it in memory. Free of charge.

        It goes to a hidden part file beside ``path``, which takes the name when it is whole and on the disk. A
        connection that breaks off is no failure as long as each attempt brings something; after a crash, the same call
        goes on where it stopped.

        Args:
            job_id: The id that ``submit`` returned, to this process or another.
            path: The file; one that exists is replaced and its permissions kept, and a symlink is followed. A FIFO or
                device is refused.
            progress: Called with a ``Progress``, in bytes, at most ten times a second; True for a bar.

        Returns:
            The absolute path.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id, or nothing can be written to ``path``; nothing was sent.
            QueueResultError: The job has not finished yet, or its video could not be fetched; what came of it is kept.
            JobFailedError: The job failed, and there is no video.
            OSError: The disk is full.

        Example:
            >>> client.queue.download(job.job_id, "lake.mp4").name
            'lake.mp4'
        """
        with showing(progress) as shown:
            saving = check_download(path, shown.told, awaited=False)
            return saved(self._ending(self._last(job_id), saving=saving))

    def stream(self, job_id: str, *, range: str | None = None, if_range: str | None = None) -> VideoStream:
        """Give the video of a finished job piece by piece, for a web view. Free of charge.

        Nothing is sent before the stream is opened, by ``with``, ``open()`` or the first piece.

        Args:
            job_id: The id that ``submit`` returned, to this process or another.
            range: The part that is wanted: a browser's ``Range`` header as it came (``"bytes=100-199"``). The whole is
                given for ``None``, for one that HTTP lets be ignored, and where the service knows no parts.
            if_range: The browser's ``If-Range`` header, which goes with it.

        Returns:
            A context manager and iterator of ``bytes``, with ``status`` (200, or 206 for a part), ``headers``,
            ``length`` and ``content_type``.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id, or a header is no text.

        Example:
            >>> with client.queue.stream(job.job_id) as video:
            ...     size = sum(len(chunk) for chunk in video)
        """
        from .streams import VideoStream

        transfer = self._core.transfer(job_id, range=range, if_range=if_range)
        return VideoStream(self._core, transfer, partial(self._last, job_id))

    @overload
    def poll(self, job_id: str, *, save_to: None = None, **wait: Unpack[WaitArguments]) -> CompletedJob | FailedJob: ...
    @overload
    def poll(
        self, job_id: str, *, save_to: str | os.PathLike[str], **wait: Unpack[WaitArguments]
    ) -> SavedJob | FailedJob: ...
    def poll(
        self,
        job_id: str,
        *,
        on_status_change: OnStatusChange | None = None,
        policy: PollPolicy | None = None,
        cancel: threading.Event | None = None,
        save_to: str | os.PathLike[str] | None = None,
        progress: ShowProgress | None = None,
    ) -> QueueJobResult:
        """Wait for a job that was submitted earlier, by any process, and return how it ended.

        Looks that fail (the network, 5xx, 429, silence) do not end the wait; they are repeated until its deadline.

        Args:
            job_id: The id that ``submit`` returned.
            on_status_change: Called with the status, a ``JobStatusResponse``, whenever it changes, the first included.
            policy: How often to look and for how many seconds; the client's own unless given.
            cancel: An event that ends the wait when it is set.
            save_to: A file that the video goes to instead of the memory, as ``download`` does it.
            progress: Called with a ``Progress`` while it does, in bytes, at most ten times a second; True for a bar,
                which shows the job's state and the time before.

        Returns:
            The video as ``data``, or its file as ``path``; for a job that failed, or had not finished in time, the
            reason as ``error``.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id, or nothing can be written to ``save_to``.
            QueueStatusError: The service refuses to tell, as for an unknown job or a bad key.
            QueueResultError: The job is done, and its result could not be fetched; ``result(job_id)`` tries again.
            WaitCancelledError: ``cancel`` was set; the job goes on.

        Example:
            >>> client.queue.poll(job.job_id).status
            'completed'
        """
        check_wait(on_status_change, policy, cancel, awaited=False)
        with showing(progress) as shown:
            saving = check_saving(save_to, shown.told, awaited=False)
            watch = self._core.watch(job_id, policy, callback=on_status_change, cancel=cancel, looked=shown.looked)
            return self._wait(watch, saving)

    @overload
    def submit_and_poll(
        self, options: JobOptions | JobInput, *, save_to: None = None, **wait: Unpack[WaitArguments]
    ) -> CompletedJob | FailedJob: ...
    @overload
    def submit_and_poll(
        self, options: JobOptions | JobInput, *, save_to: str | os.PathLike[str], **wait: Unpack[WaitArguments]
    ) -> SavedJob | FailedJob: ...
    def submit_and_poll(
        self,
        options: JobOptions | JobInput,
        *,
        on_status_change: OnStatusChange | None = None,
        policy: PollPolicy | None = None,
        cancel: threading.Event | None = None,
        save_to: str | os.PathLike[str] | None = None,
        progress: ShowProgress | None = None,
    ) -> QueueJobResult:
        """Submit a job, wait until it ends, and return the video: ``submit``, then ``poll``.

        Args:
            options: As for ``submit``; a dict may hold ``on_status_change``, too.
            on_status_change: Called with the status, a ``JobStatusResponse``, whenever it changes, ``pending`` first.
            policy: How often to look and for how many seconds from the accepted submit; the client's unless given.
            cancel: An event that ends the wait when it is set.
            save_to: A file that the video goes to instead of the memory, as ``download`` does it.
            progress: Called with a ``Progress``, in bytes, at most ten times a second: while the inputs are sent, and
                while the video goes to ``save_to``; True for a bar, which shows the job's state and the time between.

        Returns:
            The video as ``data``, or its file as ``path``; for a job that failed, or had not finished in time, the
            reason as ``error``.

        Raises:
            InvalidInputError: An input cannot be used; nothing was sent.
            QueueSubmitError: The job was not accepted; nothing was billed.
            SubmitOutcomeUnknownError: The job may have been accepted and billed; look before submitting again.
            QueueStatusError, QueueResultError, WaitCancelledError: As for ``poll``; ``job_id`` is in each.

        Example:
            >>> result = client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})
            >>> result.save("lake.mp4")
            PosixPath('lake.mp4')
        """
        callback = check_order(options, on_status_change, policy, cancel, awaited=False)
        with showing(progress) as shown:
            saving = check_saving(save_to, shown.told, awaited=False)
            job = self._submit(options, check_progress(shown.told, awaited=False), cancel)
            return self._wait(
                self._core.watch(job, policy, callback=callback, cancel=cancel, looked=shown.looked), saving
            )

    def _submit(
        self, options: JobOptions | JobInput, told: OnProgress | None, cancel: threading.Event | None = None
    ) -> JobSubmitResponse:
        job = from_options(options)
        call = self._core.submit_call(job, told, cancel)
        with submitting(), self._core.reporter.operation("submit", model=job.model.name):
            return self._core.accepted(job, self._core.send(call, repeat_submit, cancel=cancel))

    def _last(self, job_id: str) -> JobStatusResponse:
        """Return the last status of a job, if it has one."""
        with fetching(job_id):
            status = self._core.send(self._core.question(job_id), repeat_read)
        return finished(status)

    def _wait(self, watch: Watch, saving: Saving | None) -> QueueJobResult:
        """Look at a job until it ends, or the wait does."""
        from tenacity import Retrying

        sleep = partial(self._core.transport.sleep, cancel=watch.cancel)
        with resumable(watch.job_id), self._core.reporter.operation("wait", job_id=watch.job_id):
            for attempt in Retrying(sleep=sleep, **watch.settings()):
                with attempt, asking(watch.job_id):
                    watch.saw(self._core.look(watch))
                if (news := watch.news()) is not None and watch.callback is not None:
                    watch.callback(news)
        last = watch.ended()
        return watch.timed_out() if last is None else self._ending(last, watch.deadline, saving, watch.cancel)

    def _ending(
        self,
        last: JobStatusResponse,
        deadline: Deadline | None = None,
        saving: Saving | None = None,
        cancel: threading.Event | None = None,
    ) -> QueueJobResult:
        """Turn the last status of a job into its result, with the video in memory or in a file, if there is one."""
        from .results import to_result

        if last.status == "failed":
            return to_result(last)
        whole = self._core.reporter.operation("download", job_id=last.job_id)
        with fetchable(last.job_id), fetching(last.job_id), whole:
            if saving is not None:
                from .streams import download

                target, progress = saving
                transfer = self._core.transfer(last.job_id, deadline, progress, cancel=cancel)
                return to_result(last, path=download(self._core, transfer, target))
            call = protocol.content_call(self._core.settings, last.job_id)
            check = partial(self._core.check_download, last.job_id, cancel)
            data = self._core.send(call, repeat_read, deadline, cancel=cancel, check=check)
            return to_result(last, data=self._core.arrived(last.job_id, data))
