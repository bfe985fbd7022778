"""The front door: one object that holds the key, the connections and the policies."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

from ._core import POLL, RETRY, TIMEOUT, AnyTransport, Core, Front, setup, transport_of
from .errors import InvalidInputError
from .policies import PollPolicy, RetryPolicy
from .queue import QueueClient
from .transports.base import AnyTimeout, HttpRequest, SystemClock, Timeout, Transport

if TYPE_CHECKING:
    from .aio import AsyncDecartClient
    from .events import EventHook


class DecartClient(Front):
    """A client of the service. One for the whole program is right: it may be shared by threads, and survives ``fork``.

    ``async with`` gives its async side, ``AsyncDecartClient``, for as long as the block lasts; ``aio`` is that, too.

    Args:
        api_key: The key; the environment variable ``DECART_API_KEY`` unless given.
        base_url: Where the service is; ``DECART_BASE_URL``, or else https://api.decart.ai, unless given.
        timeout: Seconds to wait for a byte of a response, ``(connect, read)``, a ``Timeout``, or ``None`` for no limit.
        retry: How an exchange that failed is repeated.
        poll: How a wait for a job asks for its status, and how long it goes on.
        transport: What sends the requests: a transport, or the name of one: ``"requests"``, which it is unless given,
            ``"urllib3"``, which needs less CPU, or ``"aiohttp"`` for the async side. It is closed with the client.
        integration: Your program's name and version, such as ``"my-app/1.0"``, to be told to the service.
        event_hook: Hears of every request, answer, repeat, change of status and transfer; see `decart.events`.
        allow_http: Accept an ``http://`` base URL outside of this machine and private networks, which sends the key
            unencrypted.

    Raises:
        InvalidAPIKeyError: No key, or one that cannot be a key.
        InvalidBaseURLError: Not an http(s) address.
        InvalidInputError: Another argument cannot be used.

    Example:
        >>> with DecartClient(api_key="your-api-key") as client:
        ...     job = client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake at sunset"})
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
        self._transport = transport_of(transport)
        blocking = self._transport if isinstance(self._transport, Transport) else _AsyncOnly()
        self._core: Core = Core(transport=blocking, **common)
        self.queue = QueueClient(self._core)
        self._aio: AsyncDecartClient | None = None
        self._entered: list[None] = []  # one for each `async with` block that is open

    @property
    def aio(self) -> AsyncDecartClient:
        """The async side of this client: the same settings, the same transport."""
        from .aio import AsyncDecartClient

        if self._aio is None or self._aio._core.closed:
            self._aio = AsyncDecartClient._beside(self._core, self._transport)
        return self._aio

    def __enter__(self) -> DecartClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> AsyncDecartClient:
        aio = self.aio
        self._entered.append(None)
        return aio

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered.pop()
        if not self._entered:  # it was the last of the blocks that share it
            await self.aio.close()

    def close(self) -> None:
        """Close the connections. The client cannot be used any more; closing it again does nothing.

        The connections of an async transport, which cannot be awaited here, close when their event loop does.

        Example:
            >>> client.close()
        """
        if not self._core.closed:
            self._core.closed = True
            self._core.transport.close()
            if self._aio is not None:
                self._aio._close_soon()


class _AsyncOnly(SystemClock):
    """Stands where a sync transport would, in a client that was given an async one."""

    def send(self, request: HttpRequest, *, timeout: Timeout) -> NoReturn:
        """Say how to use such a client."""
        raise InvalidInputError(
            "This client has an async transport, and nothing was sent: write `async with client as ...` and await its "
            "calls, or await client.aio.queue; or leave transport= out."
        )

    def close(self) -> None:
        """Do nothing; there is nothing to close."""
