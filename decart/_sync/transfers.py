# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Carry out a download: into memory, into a file, or piece by piece for a stream."""

from __future__ import annotations

import io
from collections.abc import Callable
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
from ..transports.base import HttpResponse
from .backend import finish_in_thread, in_thread
from .engine import NEVER, Engine

T = TypeVar("T")


class Destination(Protocol):
    """Where the bytes of a download go."""

    def begin(self, validator: str | None, total: int | None) -> None: ...

    def write(self, data: bytes, /) -> object: ...


@attrs.define(kw_only=True, eq=False)
class Transfer:
    """A download under way.

    Attributes:
        engine: What sends the requests.
        download: Decides.
        meter: Reports the progress.
        cancel: What ends it.
        destination: Where the bytes go, if not to the caller.
        on_disk: Whether that is a file, which is written to in a thread.
    """

    engine: Engine
    download: Download
    meter: Meter
    cancel: Cancellation = NEVER
    destination: Destination | None = None
    on_disk: bool = False
    _response: HttpResponse | None = attrs.field(default=None, init=False)

    def open(self) -> None:
        """Send a request and read the head of its response, with retries."""
        self._with_retries(self._request)

    def next_chunk(self) -> bytes | None:
        """Return the next bytes, over another connection if need be; ``None`` at the end."""
        return None if self.download.complete else self._with_retries(self._read)

    def run(self) -> None:
        """Receive everything, over as many connections as that needs."""
        self._with_retries(self._read_all)

    def close(self) -> None:
        """Release the connection, whether everything was read or not."""
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def _with_retries(self, attempt: Callable[[], T]) -> T:
        now = self.engine.transport.now
        return self.engine.with_retries(
            attempt,
            lambda error: self.download.pause_after(error, now()),
            job_id=self.download.job_id,
            cancel=self.cancel,
        )

    def _request(self) -> HttpResponse:
        """Request everything, or what is missing, and read the head of the response."""
        self.cancel.check()
        download, engine = self.download, self.engine
        timeout = engine.settings.timeout.within(download.time_for_request(engine.transport.now()))
        response = engine.open(download.next_request(), timeout)
        try:
            head = BufferedResponse(status=response.status, headers=response.headers)
            if not download.observe_head(head):
                raise api_error(attrs.evolve(head, body=response.read(ERROR_LIMIT)), engine.settings)
            if self.destination is not None and not download.size:
                self._work(partial(self.destination.begin, download.validator, download.total))
        except BaseException:
            response.close()
            raise
        self.meter.at(download.size, download.total)
        self._response = response
        return response

    def _read(self) -> bytes | None:
        """Read the next bytes of the response under way, or of a new one."""
        while True:
            response = self._response or self._request()
            try:
                chunk = next(response.chunks(), None)
                self._receive(chunk)
            except BaseException:
                chunk = None  # it may echo the key, and this frame is part of the traceback
                self.close()
                raise
            if chunk is None or self.download.complete:
                self.close()
            if chunk is not None or self.download.complete:
                return chunk

    def _read_all(self) -> None:
        while not self.download.complete:
            self._read()

    def _receive(self, chunk: bytes | None) -> None:
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
            self._work(partial(self.destination.write, chunk))
        self.meter.at(self.download.size, self.download.total)

    def _work(self, function: Callable[[], object]) -> None:
        if self.on_disk:
            in_thread(function)
        else:
            function()


class Memory(io.BytesIO):
    """A download in memory."""

    def begin(self, validator: str | None, total: int | None) -> None:
        """Start over."""
        self.seek(0)
        self.truncate()


def fetch(transfer: Transfer) -> bytes:
    """Download into memory."""
    transfer.destination = memory = Memory()
    try:
        transfer.run()
    finally:
        transfer.close()
    return memory.getvalue()


def save(transfer: Transfer, target: Path) -> Path:
    """Download into a file; continue with what an earlier download into it left."""
    download = transfer.download
    part = PartFile(target, f"{download.settings.base_url} {download.job_id}")
    transfer.destination, transfer.on_disk = part, True
    try:
        in_thread(part.open)
        download.resume(part.size, part.total, part.validator)
        transfer.run()
        return finish_in_thread(part.finish)
    finally:
        part.close()
        transfer.close()
