"""A request body on its way through an HTTP library."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..errors import TransportError
from .base import Body

BLOCK = 64 * 1024
"""Bytes that are sent at a time; smaller parts are joined, larger ones cut."""


class SentBody:
    """A body that is sent at most once, in blocks of 64 KiB, and tells whether any of it was asked for.

    HTTP libraries ask for the body only when there is a connection. So a body that was never asked for was never sent,
    which no exception of theirs says as reliably; and an adapter that repeats a request by itself cannot bill twice.

    It compares equal to its bytes, and ``bytes(body)`` returns them, for tests that match the body of a request.

    Attributes:
        touched: Whether any of it was asked for.
        error: What reading it raised, such as a file that became shorter.
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
            raise TransportError("The HTTP library tried to send the request again, and was kept from sending it all.")
        try:
            if self._may_start is not None:
                self._may_start()
            self.touched = True
            yield from blocks(self._body)
        except Exception as error:
            self.error = error
            raise


def blocks(parts: Body) -> Iterator[bytes]:
    """Join small parts and cut large ones, so that each write is worth its while and none takes long."""
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
