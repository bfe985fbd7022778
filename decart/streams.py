"""A video in pieces, as they come in: for web views, and for downloads, which are streams into a file.

A stream whose connection breaks off goes on with the rest over another one, if the server can do that; see
`decart.downloads`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Generic, TypeVar

from ._core import AsyncCore, Core
from ._verbs import fetching
from .downloads import Transfer
from .errors import ResponseError
from .jobs import JobStatusResponse
from .partfile import Part
from .protocol import ERROR_LIMIT
from .responses import BufferedResponse, holds_key
from .results import to_result
from .transports.base import AsyncHttpResponse, HttpResponse

PASSED_ON = ("Content-Type", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified")
"""Headers of an answer that are about the video, and not about the connection that it came over."""

C = TypeVar("C", Core, AsyncCore)
T = TypeVar("T")


class _Head(Generic[C]):
    """What is known of a stream."""

    def __init__(self, core: C, transfer: Transfer) -> None:
        self._core: C = core
        self._transfer = transfer

    def __repr__(self) -> str:
        return f"{type(self).__name__}(job_id={self.job_id!r})"

    @property
    def job_id(self) -> str:
        """The job whose video it is."""
        return self._transfer.job_id

    @property
    def status(self) -> int:
        """The HTTP status of the answer: 200, or 206 for a part; 0 as long as the stream is not open."""
        return self._transfer.status

    @property
    def length(self) -> int | None:
        """Bytes to come in all, of the video or the part that was asked for; ``None`` when the server did not say."""
        return self._transfer.total

    @property
    def headers(self) -> dict[str, str]:
        """What of the answer's headers a web view passes on to a browser, with ``status``; empty before it is open."""
        theirs, settings = self._transfer.headers, self._core.settings
        told = {name: theirs[name.lower()] for name in PASSED_ON if name.lower() in theirs}
        told = {name: value for name, value in told.items() if not holds_key(value, settings)}
        if self.length is not None:
            told["Content-Length"] = str(self.length)
        return told

    @property
    def content_type(self) -> str:
        """The MIME type, such as ``"video/mp4"``."""
        return self.headers.get("Content-Type", "application/octet-stream")


class VideoStream(_Head[Core]):
    """A finished video in pieces of up to a MiB; ``client.queue.stream(job_id)`` gives it.

    Use it as a context manager. Or ``open()`` it, so that its length and type are known, and hand it to a web
    framework, which takes the pieces and closes it at the end.

    Example:
        >>> with client.queue.stream(job.job_id) as video:
        ...     for chunk in video:
        ...         response.write(chunk)
    """

    def __init__(self, core: Core, transfer: Transfer, ask: Callable[[], JobStatusResponse]) -> None:
        super().__init__(core, transfer)
        self._ask = ask

    def __enter__(self) -> VideoStream:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> VideoStream:
        """Ask for the video, and read the head of the answer; ``with`` and the first piece do it, too.

        Raises:
            QueueResultError: The job has not finished yet, or its video could not be fetched.
            JobFailedError: The job failed, and there is no video.

        A part that begins behind the end of the video is a ``QueueResultError`` whose ``status_code`` is 416.
        """
        if not (self.status or self._transfer.over):
            if (last := self._ask()).status == "failed":
                to_result(last).raise_for_status()
            with fetching(self.job_id):
                self._core.trying(
                    lambda: _answer(self._core, self._transfer), self._transfer.retrying, cancel=self._transfer.cancel
                )
        return self

    def __iter__(self) -> VideoStream:
        return self

    def __next__(self) -> bytes:
        with fetching(self.job_id):
            chunk = _pull(self.open()._core, self._transfer)
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Let go of the connection, whether all was read or not."""
        self._transfer.over = True
        _drop(self._transfer)


def download(core: Core, transfer: Transfer, target: Path) -> Path:
    """Fetch a video into a file, going on with what is there of it already."""
    part = Part(target, transfer.source)
    try:
        transfer.into(part.open())
        while not transfer.over and _pull(core, transfer) is not None:
            pass
        return part.finish()
    finally:
        part.close()


def _pull(core: Core, transfer: Transfer) -> bytes | None:
    """Take the next bytes of a video, over another connection if need be; None at its end."""
    if transfer.over:
        return None
    return core.trying(lambda: _piece(core, transfer), transfer.retrying, cancel=transfer.cancel)


def _piece(core: Core, transfer: Transfer) -> bytes | None:
    while True:
        response = transfer.response or _answer(core, transfer)
        try:
            chunk = next(response.chunks(), None)
            if (flaw := transfer.took(chunk)) is not None:
                raise flaw
        except BaseException:
            chunk = None  # it may echo the key, and this frame goes with the error
            _drop(transfer)
            raise
        if chunk is None or transfer.over:
            _drop(transfer)
        if chunk is not None or transfer.over:
            return chunk


def _answer(core: Core, transfer: Transfer) -> HttpResponse:
    """Ask for a video, or for what is missing of it, and read the head of the answer."""
    response = core.open(transfer.request(), transfer.timeout(core.settings.timeout))
    try:
        if not transfer.answered(_head_of(response)):
            raise transfer.refused(_head_of(response, response.read(ERROR_LIMIT)))
    except BaseException:
        response.close()
        raise
    transfer.response = response
    return response


def _head_of(response: HttpResponse | AsyncHttpResponse, body: bytes = b"") -> BufferedResponse:
    return BufferedResponse(status=response.status, headers=response.headers, body=body)


def _drop(transfer: Transfer) -> None:
    """Let go of the answer under way."""
    response, transfer.response = transfer.response, None
    if response is not None:
        response.close()


class AsyncVideoStream(_Head[AsyncCore]):
    """The same, awaited: ``async with``, ``async for``.

    Example:
        >>> async with client.queue.stream(job.job_id) as video:
        ...     async for chunk in video:
        ...         await response.write(chunk)
    """

    def __init__(self, core: AsyncCore, transfer: Transfer, ask: Callable[[], Awaitable[JobStatusResponse]]) -> None:
        super().__init__(core, transfer)
        self._ask = ask

    async def __aenter__(self) -> AsyncVideoStream:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> AsyncVideoStream:
        """Ask for the video, and read the head of the answer; see ``VideoStream.open``.

        Raises:
            QueueResultError, JobFailedError: As for ``VideoStream.open``.
        """
        if not (self.status or self._transfer.over):
            if (last := await self._ask()).status == "failed":
                to_result(last).raise_for_status()
            with fetching(self.job_id):
                await self._core.trying(
                    lambda: _aanswer(self._core, self._transfer), self._transfer.retrying, cancel=self._transfer.cancel
                )
        return self

    def __aiter__(self) -> AsyncVideoStream:
        return self

    async def __anext__(self) -> bytes:
        with fetching(self.job_id):
            chunk = await _apull((await self.open())._core, self._transfer)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def close(self) -> None:
        """Let go of the connection, whether all was read or not."""
        self._transfer.over = True
        await _adrop(self._transfer)


async def adownload(core: AsyncCore, transfer: Transfer, target: Path) -> Path:
    """Fetch a video into a file; see ``download``. What touches the file does so in a thread.

    A task that is cancelled while the file is made durable ends when that is done.
    """
    from asyncio import CancelledError, get_running_loop, shield, to_thread, wait

    part = Part(target, transfer.source)
    try:
        transfer.into(await to_thread(part.open))
        while not transfer.over and await _apull(core, transfer) is not None:
            pass
        finishing = get_running_loop().run_in_executor(None, part.finish)
        try:
            return await shield(finishing)
        except CancelledError:
            while not finishing.done():
                with suppress(CancelledError):  # cancelled once more
                    await wait([finishing])
            raise
    finally:
        part.close()


async def _apull(core: AsyncCore, transfer: Transfer) -> bytes | None:
    if transfer.over:
        return None
    return await core.trying(lambda: _apiece(core, transfer), transfer.retrying, cancel=transfer.cancel)


async def _apiece(core: AsyncCore, transfer: Transfer) -> bytes | None:
    while True:
        response = transfer.response or await _aanswer(core, transfer)
        try:
            chunk = await anext(response.achunks(), None)
            if (flaw := await _atook(transfer, chunk)) is not None:
                raise flaw
        except BaseException:
            chunk = None  # it may echo the key, and this frame goes with the error
            await _adrop(transfer)
            raise
        if chunk is None or transfer.over:
            await _adrop(transfer)
        if chunk is not None or transfer.over:
            return chunk


async def _atook(transfer: Transfer, chunk: bytes | None) -> ResponseError | None:
    return await _beside(transfer, lambda: transfer.took(chunk))


async def _aanswer(core: AsyncCore, transfer: Transfer) -> AsyncHttpResponse:
    response = await core.open(transfer.request(), transfer.timeout(core.settings.timeout))
    try:
        if not await _beside(transfer, lambda: transfer.answered(_head_of(response))):
            raise transfer.refused(_head_of(response, await response.aread(ERROR_LIMIT)))
    except BaseException:
        await response.aclose()
        raise
    transfer.response = response
    return response


async def _adrop(transfer: Transfer) -> None:
    response, transfer.response = transfer.response, None
    if response is not None:
        await response.aclose()


async def _beside(transfer: Transfer, work: Callable[[], T]) -> T:
    """Do what may touch a file in a thread, and the rest at once."""
    if transfer.part is None:
        return work()
    from asyncio import to_thread

    return await to_thread(work)
