"""The request body as it is passed to an HTTP library."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..errors import TransportError
from .base import Body

BLOCK = 64 * 1024
"""The bytes to send at a time; smaller parts are joined, larger ones split."""


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
            raise TransportError(
                "The HTTP library tried to send the request again, and was stopped from sending it twice."
            )
        try:
            if self._may_start is not None:
                self._may_start()
            self.touched = True
            yield from blocks(self._body)
        except Exception as error:
            self.error = error
            raise


def blocks(parts: Body) -> Iterator[bytes]:
    """Join small parts and split large ones, so that no write is wastefully small or takes long."""
    block = b""
    for part in parts:
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
