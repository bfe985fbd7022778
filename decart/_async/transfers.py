"""Carry out a download: into memory, into a file, or piece by piece for a stream."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import attrs

from ..downloads import Download
from ..outcomes import Cancellation
from ..partfile import PartFile
from ..progress import Meter
from ..protocol import ERROR_LIMIT
from ..responses import BufferedResponse, api_error
from ..transports.base import AsyncHttpResponse
from .backend import finish_in_thread, in_thread
from .engine import NEVER, AsyncEngine

T = TypeVar("T")


class Destination(Protocol):
    """Where the bytes of a download go."""

    def begin(self, validator: str | None, total: int | None) -> None: ...

    def write(self, data: bytes, /) -> object: ...


@attrs.define(kw_only=True, eq=False)
class AsyncTransfer:
    """A download under way.

    Attributes:
        engine: What sends the requests.
        download: Decides.
        meter: Reports the progress.
        cancel: What ends it.
        destination: Where the bytes go, if not to the caller.
        on_disk: Whether that is a file, which is written to in a thread.
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
        timeout = engine.settings.timeout.within(download.time_for_request(engine.transport.now()))
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
