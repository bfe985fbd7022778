"""``DecartClient``: the sync client, and what joins it to the async one."""

from __future__ import annotations

from types import TracebackType

from ._async.backend import adapt
from ._async.client import AsyncDecartClient
from ._sync.client import DecartClient as SyncDecartClient
from .config import Shared
from .transports.base import AsyncTransport, Transport
from .transports.threaded import ThreadedTransport


class DecartClient(SyncDecartClient):
    __doc__ = SyncDecartClient.__doc__

    _aio: AsyncDecartClient | None = None
    _open_blocks = 0  # of `async with`

    @property
    def aio(self) -> AsyncDecartClient:
        """The async side of this client: the same settings, transport and learned durations."""
        if self._aio is None or self._aio._shared.closed:
            transport = adapt(self._shared.transport)
            shared = Shared(
                transport=transport,
                memory=self._shared.memory,
                keys=self._shared.keys,
                journal=self._shared.journal,
                prices=self._shared.prices,
                unwritten=self._shared.unwritten,
            )
            self._shared.async_sides.add(shared)
            shared.closed = self._shared.closed  # read now: a thread that closes this client may have missed it
            self._aio = AsyncDecartClient._made_of(self._config, shared, transport)
        return self._aio

    async def __aenter__(self) -> AsyncDecartClient:
        self._open_blocks += 1
        return self.aio

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_blocks -= 1
        if not self._open_blocks:  # the last of the blocks that share it
            await self.aio.close()

    def close(self) -> None:
        """Close the connections. The client cannot be used any more; closing it again does nothing.

        The connections of an async transport, which cannot be awaited here, close when their event loop does.

        Example:
            >>> client.close()
        """
        super().close()
        for side in list(self._shared.async_sides):
            _close_threads(side.transport)


def close_without_loop(client: AsyncDecartClient) -> None:
    """Close what can be closed of an async client without an event loop."""
    client._shared.close()
    _close_threads(client._transport)


def _close_threads(transport: Transport | AsyncTransport) -> None:
    if isinstance(transport, ThreadedTransport):
        transport.close()
