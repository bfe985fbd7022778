"""Carry out a download: into memory, into a file, or chunk by chunk for a web view."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeVar

import attrs

from ..downloads import Download
from ..jobs import JobStatusResponse, to_result
from ..outcomes import Cancellation, result_error
from ..partfile import PartFile
from ..policies import FAILURES, LAST_REQUEST
from ..progress import Meter
from ..protocol import ERROR_LIMIT
from ..redaction import holds_key
from ..responses import BufferedResponse, api_error
from ..transports.base import AsyncHttpResponse
from .backend import finish_in_thread, in_thread
from .engine import NEVER, AsyncEngine

T = TypeVar("T")

PASSED_ON = ("Content-Type", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified")
"""Headers of a response that describe the video, and not the connection that it came over."""


class Destination(Protocol):
    """Where the bytes of a download go."""

    def begin(self, validator: str | None, total: int | None) -> None: ...

    def write(self, data: bytes, /) -> object: ...


@attrs.define(kw_only=True, eq=False)
class AsyncTransfer:
    """A download under way.

    Attributes:
        engine: What sends the requests.
        download: Decides what to request, and when to give up.
        meter: Reports the progress.
        cancel: Ends it early.
        destination: Where the bytes go, unless the caller takes them.
        on_disk: Whether the destination is a file, which is written in a thread.
    """

    engine: AsyncEngine
    download: Download
    meter: Meter
    cancel: Cancellation = NEVER
    destination: Destination | None = None
    on_disk: bool = False
    _response: AsyncHttpResponse | None = attrs.field(default=None, init=False)

    async def open(self) -> None:
        """Send a request and read the head of its response, with retries."""
        await self._with_retries(self._request)

    async def next_chunk(self) -> bytes | None:
        """Return the next bytes, over another connection if need be; ``None`` at the end."""
        return None if self.download.complete else await self._with_retries(self._read)

    async def run(self) -> None:
        """Receive everything, over as many connections as that needs."""
        await self._with_retries(self._read_all)

    async def close(self) -> None:
        """Release the connection, whether everything was read or not."""
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()

    async def _with_retries(self, attempt: Callable[[], Awaitable[T]]) -> T:
        now = self.engine.transport.now
        return await self.engine.with_retries(
            attempt,
            lambda error: self.download.pause_after(error, now()),
            job_id=self.download.job_id,
            cancel=self.cancel,
        )

    async def _request(self) -> AsyncHttpResponse:
        """Request everything, or what is missing, and read the head of the response."""
        self.cancel.check()
        download, engine = self.download, self.engine
        timeout = engine.settings.timeout.within(max(download.deadline - engine.transport.now(), LAST_REQUEST))
        response = await engine.open(download.next_request(), timeout)
        try:
            head = BufferedResponse(status=response.status, headers=response.headers)
            if not download.observe_head(head):
                raise api_error(attrs.evolve(head, body=await response.aread(ERROR_LIMIT)), engine.settings)
            if self.destination is not None and not download.size:
                await self._work(partial(self.destination.begin, download.validator, download.total))
        except BaseException:
            await response.aclose()
            raise
        self.meter.at(download.size, download.total)
        self._response = response
        return response

    async def _read(self) -> bytes | None:
        """Read the next bytes of the response under way, or of a new one."""
        while True:
            response = self._response or await self._request()
            try:
                chunk = await anext(response.achunks(), None)
                await self._receive(chunk)
            except BaseException:
                chunk = None  # it may echo the key, and this frame is part of the traceback
                await self.close()
                raise
            if chunk is None or self.download.complete:
                await self.close()
            if chunk is not None or self.download.complete:
                return chunk

    async def _read_all(self) -> None:
        while not self.download.complete:
            await self._read()

    async def _receive(self, chunk: bytes | None) -> None:
        """Check bytes, and pass them on."""
        self.cancel.check()
        if chunk is None:
            self.download.observe_end(self.engine.transport.now())
            return
        flaw = self.download.observe_data(chunk)
        if flaw is not None:
            del chunk
            raise flaw
        if self.destination is not None:
            await self._work(partial(self.destination.write, chunk))
        self.meter.at(self.download.size, self.download.total)

    async def _work(self, function: Callable[[], object]) -> None:
        if self.on_disk:
            await in_thread(function)
        else:
            function()


class Memory(io.BytesIO):
    """A download in memory."""

    def begin(self, validator: str | None, total: int | None) -> None:
        """Start over."""
        self.seek(0)
        self.truncate()


async def fetch(transfer: AsyncTransfer) -> bytes:
    """Download into memory."""
    transfer.destination = memory = Memory()
    try:
        await transfer.run()
    finally:
        await transfer.close()
    return memory.getvalue()


async def save(transfer: AsyncTransfer, target: Path) -> Path:
    """Download into a file; continue with what an earlier download into it left."""
    download = transfer.download
    part = PartFile(target, f"{download.settings.base_url} {download.job_id}")
    transfer.destination, transfer.on_disk = part, True
    try:
        await in_thread(part.open)
        download.resume(part.size, part.total, part.validator)
        await transfer.run()
        return await finish_in_thread(part.finish)
    finally:
        part.close()
        await transfer.close()


class AsyncVideoStream:
    """A finished video in chunks of up to 1 MiB; ``client.queue.stream(job_id)`` returns it.

    Use it as a context manager. Or ``open()`` it, so that its length and type are known, and hand it to a web
    framework, which iterates over it and closes it at the end. If a connection breaks, the stream continues with the
    rest over another one, if the server can do that.

    Example:
        >>> async with client.queue.stream(job.job_id) as video:
        ...     async for chunk in video:
        ...         await response.write(chunk)
    """

    def __init__(self, transfer: AsyncTransfer, last_status: Callable[[], Awaitable[JobStatusResponse]]) -> None:
        self._transfer = transfer
        self._last_status = last_status

    def __repr__(self) -> str:
        return f"{type(self).__name__}(job_id={self.job_id!r})"

    @property
    def job_id(self) -> str:
        """The job whose video it is."""
        return self._transfer.download.job_id

    @property
    def status(self) -> int:
        """The HTTP status: 200, or 206 for a part; 0 until the stream is open."""
        return self._transfer.download.status

    @property
    def length(self) -> int | None:
        """Bytes in all, of the video or of the requested part; ``None`` if the server did not say."""
        return self._transfer.download.total

    @property
    def headers(self) -> dict[str, str]:
        """The headers that a web view passes on to a browser, with ``status``; empty until the stream is open."""
        download = self._transfer.download
        passed = {name: download.headers[name.lower()] for name in PASSED_ON if name.lower() in download.headers}
        passed = {name: value for name, value in passed.items() if not holds_key(value, download.settings)}
        if self.length is not None:
            passed["Content-Length"] = str(self.length)
        return passed

    @property
    def content_type(self) -> str:
        """The MIME type, such as ``"video/mp4"``."""
        return self.headers.get("Content-Type", "application/octet-stream")

    async def __aenter__(self) -> AsyncVideoStream:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> AsyncVideoStream:
        """Request the video, and read the head of the response; the context manager and the first chunk do it, too.

        Raises:
            QueueResultError: The job has not finished yet, or its video could not be fetched. A range that begins
                after the end of the video has ``status_code`` 416.
            JobFailedError: The job failed, and there is no video.
        """
        if not (self.status or self._transfer.download.complete):
            last = await self._last_status()
            if last.status == "failed":
                to_result(last).raise_for_status()
            try:
                await self._transfer.open()
            except FAILURES as cause:
                raise result_error(self.job_id, cause) from cause
        return self

    def __aiter__(self) -> AsyncVideoStream:
        return self

    async def __anext__(self) -> bytes:
        await self.open()
        try:
            chunk = await self._transfer.next_chunk()
        except FAILURES as cause:
            raise result_error(self.job_id, cause) from cause
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def close(self) -> None:
        """Release the connection, whether everything was read or not."""
        self._transfer.download.complete = True
        await self._transfer.close()
