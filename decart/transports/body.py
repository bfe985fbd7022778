"""Bodies: of requests, as an HTTP library or an event loop sends them; of responses, decoded."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ..errors import TransportError
from .base import CHUNK, Body, content_codings, place_of

BLOCK = 64 * 1024
"""The bytes to send at a time; smaller parts are joined, larger ones split."""

KEPT = 64 * 1024
"""The bytes of an encoded body that are kept as received, in case they cannot be decoded."""

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_NO_HEADER = -15


class SentBody:
    """A body that can be sent only once, in blocks of 64 KiB, and records whether sending has started.

    HTTP libraries start to read the body only when there is a connection. So a body that was not read was not sent,
    which is more reliable than any exception of theirs. Nor can an adapter that retries by itself send it twice, which
    could bill a job twice.

    It compares equal to its bytes, and ``bytes(body)`` returns them, for tests that match the body of a request.

    Attributes:
        touched: Whether the library has started to read it.
        error: The exception that reading it raised, for example because the file became shorter.
    """

    def __init__(self, body: Body, may_start: Callable[[], None] | None = None) -> None:
        self.touched = False
        self.error: BaseException | None = None
        self._body, self._may_start = body, may_start

    def __len__(self) -> int:
        return len(self._body)

    def __bytes__(self) -> bytes:
        return b"".join(self._body)

    def __eq__(self, other: object) -> bool:
        return bytes(self) == bytes(other) if isinstance(other, (bytes, SentBody)) else NotImplemented

    __hash__ = object.__hash__

    def __iter__(self) -> Iterator[bytes]:
        if self.touched:
            raise TransportError("The HTTP library tried to send the request again, and was stopped.")
        try:
            if self._may_start is not None:
                self._may_start()
            self.touched = True
            block = b""
            for part in self._body:  # small parts are joined, large ones are split
                if len(block) + len(part) < BLOCK:
                    block += part
                    continue
                view = memoryview(block + part if block else part)
                end = len(view) // BLOCK * BLOCK
                for start in range(0, end, BLOCK):
                    yield bytes(view[start : start + BLOCK])
                block = bytes(view[end:])
            if block:
                yield block
        except Exception as error:
            self.error = error
            raise


class Decoder:
    """Decode a gzip or deflate body, which some servers send unasked, at most ``CHUNK`` bytes at a time."""

    def __init__(self, encoding: str, url: str) -> None:
        self._encoding, self._url = encoding, url
        self._stream = zlib.decompressobj(_WINDOW_BITS[encoding])
        self._raw = bytearray()
        self._has_decoded = False

    @classmethod
    def of(cls, headers: Mapping[str, str], url: str) -> Decoder | None:
        """Return the decoder for a response, or ``None`` if its body must be passed on as received."""
        codings = content_codings(headers)
        return cls(codings[0], url) if len(codings) == 1 and codings[0] in _WINDOW_BITS else None

    def decode(self, raw: bytes) -> Iterator[bytes]:
        """Decode the next piece of the body, and yield it in chunks.

        Raises:
            TransportError: It is not valid, or data follows its end.
        """
        without_header = self._encoding == "deflate" and raw[0] & 15 != 8
        if not self._raw and without_header:
            self._stream = zlib.decompressobj(_NO_HEADER)
            self._encoding = "raw deflate"
        self._raw += raw[: KEPT - len(self._raw)]
        piece = b""
        while not self._stream.eof and (raw or len(piece) == CHUNK):
            piece = b""
            try:
                piece = self._stream.decompress(raw, CHUNK)
            except zlib.error:
                break
            raw = self._stream.unconsumed_tail or self._stream.unused_data
            if piece:
                self._has_decoded = True
                yield piece
        if raw:  # zlib may "decode" some plain text as raw deflate before it fails, which is garbage
            self._has_decoded = self._has_decoded and self._encoding != "raw deflate"
            raw = piece = b""  # they may echo the key, and a traceback would keep them alive
            raise self._failure("is not valid")

    def decoded(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Decode a body as it is received."""
        for chunk in chunks:
            pieces, chunk = self.decode(chunk), b""  # it may echo the key, and a traceback would keep it alive
            yield from pieces
        self.finish()

    def finish(self) -> None:
        """Check that the body is complete.

        Raises:
            TransportError: It ends too early.
        """
        if self._raw and not self._stream.eof:
            raise self._failure("ends too early for")

    def salvage(self) -> bytes:
        """Return the beginning of a body for which ``decode`` yielded nothing, decoded if possible."""
        if self._has_decoded:
            return b""
        decoded = bytearray()
        if self._encoding != "raw deflate":
            stream = zlib.decompressobj(_WINDOW_BITS[self._encoding])
            with suppress(zlib.error):
                for byte in self._raw:  # one by one, since zlib drops the output of a call that fails
                    decoded += stream.decompress(bytes([byte]), KEPT - len(decoded) or 1)
        return bytes(decoded or self._raw)

    def _failure(self, what: str) -> TransportError:
        return TransportError(f"{place_of(self._url)} sent a response body that {what} {self._encoding}.")


TURNS = 3
"""The iterations of an event loop that it needs to notice that a connection was closed, even over TLS."""


async def catch_up() -> None:
    """Let the loop process the data and connection closes that have arrived so far."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


class Upload(AsyncIterator[bytes]):
    """A request body as an async iterable.

    Attributes:
        body: The body; it records whether sending has started, and the exception if reading it failed.
        stall: The timeout that aborts the exchange if a block is not accepted in time; ``None`` disables it.
        seconds: The limit for each block, if there is one.
    """

    def __init__(self, body: Body, may_start: Callable[[], None] | None, seconds: float | None) -> None:
        self.body, self.seconds = SentBody(body, may_start), seconds
        self.stall: asyncio.Timeout | None = None
        self._blocks = iter(self.body)
        self._left = len(body)
        self._in_memory = getattr(body, "in_memory", False)
        self._reading: asyncio.Future[bytes] | None = None
        self._thread: ThreadPoolExecutor | None = None  # one, however busy: each would have buffers of its own

    async def __anext__(self) -> bytes:
        self._expect_within(None)
        if self._left <= 0:  # do not use a thread to find the end: a response in that time would cost us the connection
            raise StopAsyncIteration
        if self.body.touched:
            await catch_up()  # an early error response may have arrived, and the next write could reset the connection
        if self._in_memory:
            block = next(self._blocks, b"")
        else:
            self._thread = self._thread or ThreadPoolExecutor(1, "decart-upload")
            reading: Any = asyncio.get_running_loop().run_in_executor(self._thread, next, self._blocks, b"")
            self._reading = reading
            block = await asyncio.shield(reading)
        if not block:
            raise StopAsyncIteration
        self._left -= len(block)
        self._expect_within(self.seconds)
        return block

    def _expect_within(self, seconds: float | None) -> None:
        if self.stall is not None:  # pragma: no branch - aiohttp may ask for more after an early response
            self.stall.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    async def settle(self) -> None:
        """Wait until no thread is reading the caller's file."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)
        if self._reading is not None:
            await asyncio.wait({self._reading})
