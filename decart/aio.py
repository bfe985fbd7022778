"""The async front door: the same verbs as `decart.queue`, awaited, over the same decisions.

::

    async with DecartClient(api_key="...") as client:        # an AsyncDecartClient
    async with AsyncDecartClient(api_key="...") as client:   # the same
    await client.aio.queue.status(job_id)                    # beside the sync verbs of one client
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from inspect import isawaitable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Unpack, cast, overload

from . import protocol
from ._core import POLL, RETRY, TIMEOUT, AnyTransport, AsyncCore, Core, Front, setup, transport_of
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
from .policies import Deadline, PollPolicy, RetryPolicy, repeat_read, repeat_submit
from .polling import Watch
from .transports.base import AnyTimeout, AsyncTransport, Event, Transport
from .transports.threaded import ThreadedTransport

if TYPE_CHECKING:
    from ._verbs import AsyncWaitArguments
    from .events import EventHook
    from .progress import OnProgress, ShowProgress
    from .results import CompletedJob, FailedJob, QueueJobResult, SavedJob
    from .streams import AsyncVideoStream


class AsyncQueueClient:
    """The queue of one ``AsyncDecartClient``; reach it as ``client.queue``. For any number of tasks at once.

    A task that is cancelled ends its wait at once. The job goes on: its id is in the log, and from Python 3.11 on in a
    note on the exception; ``poll`` comes back to it.
    """

    def __init__(self, core: AsyncCore) -> None:
        self._core = core

    async def submit(
        self, options: JobOptions | JobInput, *, progress: ShowProgress | None = None
    ) -> JobSubmitResponse:
        """Submit a job, which costs money, and return at once with its id; see ``QueueClient.submit``.

        Raises:
            InvalidInputError: An input cannot be used; nothing was sent.
            QueueSubmitError: The job was not accepted; nothing was billed.
            SubmitOutcomeUnknownError: The job may have been accepted and billed; look before submitting again.

        Example:
            >>> job = await client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"})
        """
        with showing(progress) as shown:
            return await self._submit(options, check_progress(shown.told, awaited=True))

    async def status(self, job_id: str) -> JobStatusResponse:
        """Ask where a job is, free of charge; see ``QueueClient.status``.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id.
            QueueStatusError: The status could not be read; ``cause`` says why.
        """
        with asking(job_id):
            return await self._core.send(self._core.question(job_id), repeat_read)

    async def result(self, job_id: str) -> CompletedJob | FailedJob:
        """Fetch how a finished job ended, with the video in memory; see ``QueueClient.result``.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id.
            QueueResultError: The job has not finished yet, or its result could not be fetched.
        """
        return cast("CompletedJob | FailedJob", await self._ending(await self._last(job_id)))

    async def download(
        self, job_id: str, path: str | os.PathLike[str], *, progress: ShowProgress | None = None
    ) -> Path:
        """Fetch the video of a finished job into a file, written in threads; see ``QueueClient.download``.

        Raises:
            InvalidInputError, QueueResultError, JobFailedError, OSError: As for ``QueueClient.download``.

        Example:
            >>> (await client.queue.download(job.job_id, "lake.mp4")).name
            'lake.mp4'
        """
        with showing(progress) as shown:
            saving = check_download(path, shown.told, awaited=True)
            return saved(await self._ending(await self._last(job_id), saving=saving))

    def stream(self, job_id: str, *, range: str | None = None, if_range: str | None = None) -> AsyncVideoStream:
        """Give the video of a finished job piece by piece: ``async with``, ``async for``; see ``QueueClient.stream``.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id.
        """
        from .streams import AsyncVideoStream

        transfer = self._core.transfer(job_id, range=range, if_range=if_range)
        return AsyncVideoStream(self._core, transfer, partial(self._last, job_id))

    @overload
    async def poll(
        self, job_id: str, *, save_to: None = None, **wait: Unpack[AsyncWaitArguments]
    ) -> CompletedJob | FailedJob: ...
    @overload
    async def poll(
        self, job_id: str, *, save_to: str | os.PathLike[str], **wait: Unpack[AsyncWaitArguments]
    ) -> SavedJob | FailedJob: ...
    async def poll(
        self,
        job_id: str,
        *,
        on_status_change: OnStatusChange | None = None,
        policy: PollPolicy | None = None,
        cancel: Event | None = None,
        save_to: str | os.PathLike[str] | None = None,
        progress: ShowProgress | None = None,
    ) -> QueueJobResult:
        """Wait for a job that was submitted earlier, by any process; see ``QueueClient.poll``.

        Args:
            job_id: The id that ``submit`` returned.
            on_status_change: Called with the status whenever it changes; what it returns is awaited if it can be.
            policy: How often to look and for how many seconds; the client's own unless given.
            cancel: An `asyncio.Event` or `threading.Event` that ends the wait when it is set.

        Raises:
            InvalidInputError, QueueStatusError, QueueResultError, WaitCancelledError: As for ``QueueClient.poll``.
        """
        check_wait(on_status_change, policy, cancel, awaited=True)
        with showing(progress) as shown:
            saving = check_saving(save_to, shown.told, awaited=True)
            watch = self._core.watch(job_id, policy, callback=on_status_change, cancel=cancel, looked=shown.looked)
            return await self._wait(watch, saving)

    @overload
    async def submit_and_poll(
        self, options: JobOptions | JobInput, *, save_to: None = None, **wait: Unpack[AsyncWaitArguments]
    ) -> CompletedJob | FailedJob: ...
    @overload
    async def submit_and_poll(
        self, options: JobOptions | JobInput, *, save_to: str | os.PathLike[str], **wait: Unpack[AsyncWaitArguments]
    ) -> SavedJob | FailedJob: ...
    async def submit_and_poll(
        self,
        options: JobOptions | JobInput,
        *,
        on_status_change: OnStatusChange | None = None,
        policy: PollPolicy | None = None,
        cancel: Event | None = None,
        save_to: str | os.PathLike[str] | None = None,
        progress: ShowProgress | None = None,
    ) -> QueueJobResult:
        """Submit a job, wait until it ends, and return the video: ``submit``, then ``poll``.

        Raises:
            InvalidInputError, QueueSubmitError, SubmitOutcomeUnknownError: As for ``submit``.
            QueueStatusError, QueueResultError, WaitCancelledError: As for ``poll``; ``job_id`` is in each.

        Example:
            >>> result = await client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})
            >>> await result.asave("lake.mp4")
            PosixPath('lake.mp4')
        """
        callback = check_order(options, on_status_change, policy, cancel, awaited=True)
        with showing(progress) as shown:
            saving = check_saving(save_to, shown.told, awaited=True)
            job = await self._submit(options, check_progress(shown.told, awaited=True), cancel)
            return await self._wait(
                self._core.watch(job, policy, callback=callback, cancel=cancel, looked=shown.looked), saving
            )

    async def _submit(
        self, options: JobOptions | JobInput, told: OnProgress | None, cancel: Event | None = None
    ) -> JobSubmitResponse:
        job = from_options(options)
        call = await _submit_call(self._core, job, told, cancel)
        with submitting(), self._core.reporter.operation("submit", model=job.model.name):
            return self._core.accepted(job, await self._core.send(call, repeat_submit, cancel=cancel))

    async def _last(self, job_id: str) -> JobStatusResponse:
        """Return the last status of a job, if it has one."""
        with fetching(job_id):
            status = await self._core.send(self._core.question(job_id), repeat_read)
        return finished(status)

    async def _wait(self, watch: Watch, saving: Saving | None) -> QueueJobResult:
        """Look at a job until it ends, or the wait does."""
        from tenacity import AsyncRetrying

        sleep = partial(self._core.transport.asleep, cancel=watch.cancel)
        with resumable(watch.job_id), self._core.reporter.operation("wait", job_id=watch.job_id):
            async for attempt in AsyncRetrying(sleep=sleep, **watch.settings()):
                with attempt, asking(watch.job_id):
                    watch.saw(await self._core.look(watch))
                if (news := watch.news()) is not None and watch.callback is not None:
                    await _done(watch.callback(news))
        last = watch.ended()
        return watch.timed_out() if last is None else await self._ending(last, watch.deadline, saving, watch.cancel)

    async def _ending(
        self,
        last: JobStatusResponse,
        deadline: Deadline | None = None,
        saving: Saving | None = None,
        cancel: Event | None = None,
    ) -> QueueJobResult:
        """Turn the last status of a job into its result, with the video in memory or in a file, if there is one."""
        from .results import to_result

        if last.status == "failed":
            return to_result(last)
        whole = self._core.reporter.operation("download", job_id=last.job_id)
        with fetchable(last.job_id), fetching(last.job_id), whole:
            if saving is not None:
                from .streams import adownload

                target, progress = saving
                transfer = self._core.transfer(last.job_id, deadline, progress, cancel=cancel)
                return to_result(last, path=await adownload(self._core, transfer, target))
            call = protocol.content_call(self._core.settings, last.job_id)
            check = partial(self._core.check_download, last.job_id, cancel)
            data = await self._core.send(call, repeat_read, deadline, cancel=cancel, check=check)
            return to_result(last, data=self._core.arrived(last.job_id, data))


async def _submit_call(
    core: AsyncCore, job: JobInput, progress: OnProgress | None, cancel: Event | None
) -> protocol.Call[JobSubmitResponse]:
    """Build a submit, in a thread if there are files to be opened."""
    if job.has_files:
        return await asyncio.to_thread(core.submit_call, job, progress, cancel)
    return core.submit_call(job, progress, cancel)


async def _done(outcome: object) -> None:
    """Await what a callback returned, if it was a coroutine function."""
    if isawaitable(outcome):
        await outcome


class AsyncDecartClient(Front):
    """An async client of the service. One for the whole program is right, also for one event loop after another.

    Args:
        api_key: The key; the environment variable ``DECART_API_KEY`` unless given.
        base_url: Where the service is; ``DECART_BASE_URL``, or else https://api.decart.ai, unless given.
        timeout: Seconds to wait for a byte of a response, ``(connect, read)``, a ``Timeout``, or ``None`` for no limit.
        retry: How an exchange that failed is repeated.
        poll: How a wait for a job asks for its status, and how long it goes on.
        transport: What sends the requests: an ``AiohttpTransport`` (extra ``async``), or any sync transport, which then
            works in threads; or ``"aiohttp"``, ``"urllib3"``, or ``"requests"``, which it is unless given. It is closed
            with the client.
        integration: Your program's name and version, such as ``"my-app/1.0"``, to be told to the service.
        event_hook: Hears of every request, answer, repeat, change of status and transfer; see `decart.events`.
        allow_http: Accept an ``http://`` base URL outside of this machine and private networks, which sends the key
            unencrypted.

    Raises:
        InvalidAPIKeyError: No key, or one that cannot be a key.
        InvalidBaseURLError: Not an http(s) address.
        InvalidInputError: Another argument cannot be used.

    Example:
        >>> async with AsyncDecartClient(api_key="your-api-key") as client:
        ...     job = await client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"})
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: AnyTimeout = TIMEOUT,
        retry: RetryPolicy = RETRY,
        poll: PollPolicy = POLL,
        transport: AnyTransport | None = None,
        integration: str | None = None,
        event_hook: EventHook | None = None,
        allow_http: bool = False,
    ) -> None:
        common = setup(
            api_key, base_url, timeout, integration,
            retry=retry, poll=poll, transport=transport, event_hook=event_hook, allow_http=allow_http,
        )  # fmt: skip
        sending = _awaited(transport_of(transport))
        self._core: AsyncCore = AsyncCore(transport=sending, **common)
        self.queue = AsyncQueueClient(self._core)

    @classmethod
    def _beside(cls, core: Core, transport: AsyncTransport | Transport) -> AsyncDecartClient:
        """Return the async side of a sync client."""
        client = cls.__new__(cls)
        client._core = AsyncCore(
            settings=core.settings,
            retry=core.retry,
            poll=core.poll,
            closed=core.closed,
            durations=core.durations,
            event_hook=core.reporter.hook,
            transport=_awaited(transport),
        )
        client.queue = AsyncQueueClient(client._core)
        return client

    async def __aenter__(self) -> AsyncDecartClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. The client cannot be used any more; closing it again does nothing.

        Example:
            >>> await client.close()
        """
        if not self._core.closed:
            self._core.closed = True
            await self._core.transport.aclose()

    def _close_soon(self) -> None:
        """Close what can be closed without an event loop."""
        self._core.closed = True
        if isinstance(self._core.transport, ThreadedTransport):
            self._core.transport.close()


def _awaited(transport: AsyncTransport | Transport) -> AsyncTransport:
    return transport if isinstance(transport, AsyncTransport) else ThreadedTransport(transport)
