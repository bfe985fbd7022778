"""The queue's verbs, synchronously: submit a job, ask where it is, fetch its result, or all of it in one call.

They implement the service's Queue API. Each verb is a few lines, since everything that decides lives elsewhere:
`decart._wire` knows the HTTP API, `decart.policies` when to repeat and when to stop, `decart.errors` what to raise.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from functools import partial

from . import _wire
from ._core import Core, blamed, resumable
from .errors import QueueResultError, QueueStatusError, QueueSubmitError, WaitCancelledError
from .inputs import JobInput, refuse
from .jobs import JobStatusResponse, JobSubmitResponse, QueueJobResult
from .options import JobOptions, OnStatusChange, callback_of, check_callback, from_options
from .policies import Deadline, PollPolicy, Watch, repeat_read, repeat_submit

log = logging.getLogger("decart")


class QueueClient:
    """The queue of one ``DecartClient``; reach it as ``client.queue``. Safe to use from many threads at once."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def submit(self, options: JobOptions | JobInput) -> JobSubmitResponse:
        """Submit a job and return at once, with its id.

        This is the call that costs money. It is repeated only when the service surely did not accept it.

        Args:
            options: A dict with ``model`` and the model's inputs, or an input object such as ``TextToVideoInput``.

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
        call = _wire.submit_call(self._core.settings, from_options(options))
        with blamed(QueueSubmitError, "The job was not submitted"):
            job = self._core.send(call, repeat_submit)
        log.info("job %s was submitted, and is %s", job.job_id, job.status)
        return job

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
        with blamed(QueueStatusError, f"The status of job {job_id} could not be read", job_id):
            return self._core.send(_wire.status_call(self._core.settings, job_id), repeat_read)

    def result(self, job_id: str) -> QueueJobResult:
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
        with blamed(QueueResultError, f"The result of job {job_id} could not be fetched", job_id):
            status = self._core.send(_wire.status_call(self._core.settings, job_id), repeat_read)
        if not status.finished:
            raise QueueResultError(
                f"Job {job_id} has not finished: it is {status.status}. client.queue.poll({job_id!r}) waits for it.",
                None, None, job_id,
            )  # fmt: skip
        return self._ending(status, self._core.deadline(self._core.retry.timeout))

    def poll(
        self,
        job_id: str,
        *,
        on_status_change: OnStatusChange | None = None,
        policy: PollPolicy | None = None,
        cancel: threading.Event | None = None,
    ) -> QueueJobResult:
        """Wait for a job that was submitted earlier, by any process, and return how it ended.

        Looks that fail (the network, 5xx, 429, silence) do not end the wait; they are repeated until its deadline.

        Args:
            job_id: The id that ``submit`` returned.
            on_status_change: Called with the status, a ``JobStatusResponse``, whenever it changes, the first included.
            policy: How often to look and for how many seconds; the client's own unless given.
            cancel: An event that ends the wait when it is set.

        Returns:
            The video as ``data``; for a job that failed, or had not finished in time, the reason as ``error``.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id.
            QueueStatusError: The service refuses to tell, as for an unknown job or a bad key.
            QueueResultError: The job is done, and its result could not be fetched; ``result(job_id)`` tries again.
            WaitCancelledError: ``cancel`` was set; the job goes on.

        Example:
            >>> client.queue.poll(job.job_id).status
            'completed'
        """
        check_callback(on_status_change)
        _check_wait(policy, cancel)
        return self._wait(job_id, None, on_status_change, policy or self._core.poll, cancel)

    def submit_and_poll(
        self,
        options: JobOptions | JobInput,
        *,
        on_status_change: OnStatusChange | None = None,
        policy: PollPolicy | None = None,
        cancel: threading.Event | None = None,
    ) -> QueueJobResult:
        """Submit a job, wait until it ends, and return the video: ``submit``, then ``poll``.

        Args:
            options: As for ``submit``; a dict may hold ``on_status_change``, too.
            on_status_change: Called with the status, a ``JobStatusResponse``, whenever it changes, ``pending`` first.
            policy: How often to look and for how many seconds from the accepted submit; the client's unless given.
            cancel: An event that ends the wait when it is set.

        Returns:
            The video as ``data``; for a job that failed, or had not finished in time, the reason as ``error``.

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
        callback = callback_of(options, on_status_change)
        _check_wait(policy, cancel)
        if cancel is not None and cancel.is_set():
            raise WaitCancelledError("The wait was cancelled before the job was submitted; nothing was sent.")
        job = self.submit(options)
        first = JobStatusResponse(job_id=job.job_id, status=job.status)
        return self._wait(job.job_id, first, callback, policy or self._core.poll, cancel)

    def _wait(
        self,
        job_id: str,
        known: JobStatusResponse | None,
        callback: OnStatusChange | None,
        policy: PollPolicy,
        cancel: threading.Event | None,
    ) -> QueueJobResult:
        """Look at a job until it ends; ``known`` is a status that need not be asked for."""
        watch = Watch(
            job_id=job_id,
            poll=policy,
            retry=self._core.retry,
            deadline=self._core.deadline(policy.timeout),
            known=known,
        )
        call = _wire.status_call(self._core.settings, job_id)  # what cannot be an id is refused before there is a wait
        with resumable(job_id):
            for _ in self._looks(watch, call, cancel):
                watch.tell(callback)
        if watch.status is None or not watch.status.finished:
            return watch.timed_out()
        return self._ending(watch.status, watch.deadline)

    def _looks(
        self, watch: Watch, call: _wire.Call[JobStatusResponse], cancel: threading.Event | None
    ) -> Iterator[None]:
        """Look until the wait is over, and pause after each look; what is done then is not blamed on the look."""
        from tenacity import Retrying

        with blamed(QueueStatusError, f"The status of job {watch.job_id} could not be read", watch.job_id):
            for attempt in Retrying(sleep=partial(self._core.transport.sleep, cancel=cancel), **watch.settings()):
                with attempt:
                    watch.saw(watch.take_known() or self._look(watch, call, cancel))
                yield

    def _look(
        self, watch: Watch, call: _wire.Call[JobStatusResponse], cancel: threading.Event | None
    ) -> JobStatusResponse:
        if cancel is not None and cancel.is_set():
            raise watch.cancelled()
        return self._core.once(call, self._core.settings.timeout.within(watch.deadline.for_request()))

    def _ending(self, status: JobStatusResponse, deadline: Deadline) -> QueueJobResult:
        """Turn the status of a finished job into its result, with the video if there is one."""
        job_id = status.job_id
        if status.status == "failed":
            reason = status.error or f"Job {job_id} failed, and the service did not say why."
            return QueueJobResult(job_id=job_id, status="failed", error=reason)
        with resumable(job_id), blamed(QueueResultError, f"The result of job {job_id} could not be fetched", job_id):
            data = self._core.send(_wire.content_call(self._core.settings, job_id), repeat_read, deadline)
        return QueueJobResult(job_id=job_id, status="completed", data=data)


def _check_wait(policy: object, cancel: object) -> None:
    """Refuse what would fail only after the submit, when it has cost money."""
    if policy is not None and not isinstance(policy, PollPolicy):
        raise refuse("policy", "a PollPolicy", policy)
    if cancel is not None and not callable(getattr(cancel, "is_set", None)):
        raise refuse("cancel", "a threading.Event", cancel)
