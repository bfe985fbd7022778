"""Carry out a download: into memory, into a file, or chunk by chunk for a web view."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import attrs

from ..downloads import Download
from ..jobs import JobStatusResponse, to_result
from ..outcomes import Cancellation, result_error
from ..partfile import PartFile
from ..policies import FAILURES, LAST_REQUEST
from ..protocol import ERROR_LIMIT
from ..redaction import holds_key
from ..responses import BufferedResponse, api_error
from ..transports.base import AsyncHttpResponse
from .backend import finish_in_thread, in_thread
from .engine import NEVER, AsyncEngine

T = TypeVar("T")

PASSED_ON = ("Content-Type", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified")
"""Headers of a response that describe the video, and not the connection that it came over."""


@attrs.define(kw_only=True, eq=False)
class AsyncTransfer:
    """A download under way.

    Attributes:
        engine: What sends the requests.
        download: Decides what to request, and when to give up.
        meter: Called with the bytes received so far and their total, if anybody wants to know.
        cancel: Ends it early.
        memory, file: Where the bytes go; neither for a stream, whose caller takes them.
    """

    engine: AsyncEngine
    download: Download
    meter: Callable[[int, int | None], None] | None = None
    cancel: Cancellation = NEVER
    memory: io.BytesIO | None = None
    file: PartFile | None = None
    _response: AsyncHttpResponse | None = attrs.field(default=None, init=False)
    _chunks: AsyncIterator[bytes] = attrs.field(init=False)

    async def run(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Call ``request`` or ``receive``, and repeat it where that is worth it and the policy allows it."""
        download, now = self.download, self.engine.transport.now
        return await self.engine.with_retries(
            attempt, lambda error: download.pause_after(error, now()), job_id=download.job_id, cancel=self.cancel
        )

    async def request(self) -> None:
        """Request everything, or what is missing, and read the head of the response."""
        download, engine = self.download, self.engine
        timeout = engine.settings.timeout.within(max(download.deadline - engine.transport.now(), LAST_REQUEST))
        response = await engine.open(download.next_request(), timeout)
        try:
            head = BufferedResponse(status=response.status, headers=response.headers)
            if not download.observe_head(head):
                raise api_error(attrs.evolve(head, body=await response.aread(ERROR_LIMIT)), engine.settings)
            if not download.size and self.file is not None:
                await in_thread(partial(self.file.begin, download.validator, download.total))
            if not download.size and self.memory is not None:
                self.memory.seek(0)
                self.memory.truncate()
        except BaseException:
            await response.aclose()
            raise
        if self.meter is not None:
            self.meter(download.size, download.total)
        self._response, self._chunks = response, response.achunks()

    async def receive(self) -> bytes | None:
        """Receive the next bytes of a stream, or everything into memory or a file; return ``None`` at the end."""
        download = self.download
        while not download.complete:
            if self.cancel.event is not None:
                self.cancel.check()
            if self._response is None:
                await self.request()
            try:
                chunk = await anext(self._chunks, None)
                if chunk is None:
                    download.observe_end(self.engine.transport.now())
                elif (flaw := download.observe_data(chunk)) is not None:
                    raise flaw
                elif self.file is not None:
                    await in_thread(partial(self.file.write, chunk))
                elif self.memory is not None:
                    self.memory.write(chunk)
                if self.meter is not None and (chunk is not None or download.total is None):
                    self.meter(download.size, download.size if chunk is None else download.total)
            except BaseException:
                chunk = flaw = None  # the chunk may echo the key, and this frame is part of the traceback
                await self.close()
                raise
            if chunk is None or download.complete:
                await self.close()
            if chunk is not None and self.file is None and self.memory is None:
                return chunk
        return None

    async def close(self) -> None:
        """Release the connection, whether everything was read or not."""
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()


async def save(transfer: AsyncTransfer, target: Path) -> Path:
    """Download into a file; continue with what an earlier download into it left. The caller closes the transfer."""
    download = transfer.download
    part = PartFile(target, f"{download.settings.base_url} {download.job_id}")
    transfer.file = part
    try:
        await in_thread(part.open)
        download.resume(part.size, part.total, part.validator)
        await transfer.run(transfer.receive)
        return await finish_in_thread(part.finish)
    finally:
        part.close()


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
                await self._transfer.run(self._transfer.request)
            except FAILURES as cause:
                raise result_error(self.job_id, cause) from cause
        return self

    def __aiter__(self) -> AsyncVideoStream:
        return self

    async def __anext__(self) -> bytes:
        await self.open()
        try:
            chunk = await self._transfer.run(self._transfer.receive)
        except FAILURES as cause:
            raise result_error(self.job_id, cause) from cause
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def close(self) -> None:
        """Release the connection, whether everything was read or not."""
        self._transfer.download.complete = True
        await self._transfer.close()
