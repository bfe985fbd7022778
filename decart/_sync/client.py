# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""The client: one object with the key, the connections and the policies."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import NoReturn, Self

from ..config import UNCHANGED, ClientConfig, Shared, Unchanged, check_hooks, settings
from ..events import EventHook
from ..policies import PollPolicy, RetryPolicy
from ..transports import AnyTransport, make_transport
from ..transports.base import AnyTimeout, Transport, Timeout
from .backend import adapt
from .engine import Engine
from .queue import QueueClient


class SyncDecartClient:
    """A client of the service. One serves the whole program. Threads may share it, and it survives ``fork``.

    Args:
        api_key: The API key; defaults to the environment variable ``DECART_API_KEY``.
        base_url: Where the service is; defaults to ``DECART_BASE_URL``, or else https://api.decart.ai.
        timeout: Seconds to wait for a byte of a response, ``(connect, read)``, a ``Timeout``, or ``None`` for no limit.
        retry: How failed exchanges are repeated.
        poll: How waits check the status of their jobs, and for how long. By default the client learns the best pace.
        transport: What sends requests: a transport, or the name of one. ``"requests"`` is the default, ``"urllib3"``
            needs less CPU, and ``"aiohttp"`` is async (extra ``async``). It is closed with the client. When awaited,
            sync transports run in threads.
        integration: Your program's name and version, such as ``"my-app/1.0"``, for the User-Agent header.
        event_hooks: Called for every request, response, retry, change of status and transfer; see `decart.events`.
        allow_http: Accept an ``http://`` base URL outside of this machine and private networks, which sends the key
            unencrypted.

    Raises:
        InvalidAPIKeyError: There is no key, or it cannot be one.
        InvalidBaseURLError: The base URL is not an http(s) address.
        InvalidInputError: Another argument cannot be used.

    Example:
        >>> with SyncDecartClient(api_key="your-api-key") as client:
        ...     job = client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"})
    """

    queue: QueueClient

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: AnyTimeout = Timeout(),  # noqa: B008 - it is frozen
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - it is frozen
        poll: PollPolicy | None = None,
        transport: AnyTransport | None = None,
        integration: str | None = None,
        event_hooks: Iterable[EventHook] = (),
        allow_http: bool = False,
    ) -> None:
        config = ClientConfig(
            settings=settings(api_key, base_url, timeout, integration, allow_http=allow_http),
            retry=retry,
            poll=poll,
            event_hooks=check_hooks(event_hooks),
        )
        shared = Shared(transport=make_transport(transport))
        self._start(config, shared, adapt(shared.transport))

    def _start(self, config: ClientConfig, shared: Shared, transport: Transport) -> None:
        self._config, self._shared, self._transport = config, shared, transport
        self.queue = QueueClient(Engine(config, shared, transport))

    @classmethod
    def _made_of(cls, config: ClientConfig, shared: Shared, transport: Transport) -> Self:
        client = cls.__new__(cls)
        client._start(config, shared, transport)
        return client

    def with_options(
        self,
        *,
        timeout: AnyTimeout | Unchanged = UNCHANGED,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | Unchanged | None = UNCHANGED,
        event_hooks: Iterable[EventHook] | None = None,
    ) -> Self:
        """Return a client with other options, which shares connections and learned durations with this one.

        Closing either closes both.

        Args:
            timeout, retry, poll, event_hooks: As for the client; what is not given stays.

        Raises:
            InvalidInputError: An option cannot be used.

        Example:
            >>> patient = client.with_options(poll=PollPolicy(timeout=3600))
        """
        config = self._config.changed(timeout=timeout, retry=retry, poll=poll, event_hooks=event_hooks)
        return self._made_of(config, self._shared, self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The client cannot be used any more; closing it again does nothing.

        Example:
            >>> client.close()
        """
        if not self._shared.closed:
            self._shared.closed = True
            self._transport.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._config.settings.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} holds a key and connections, and is neither copied nor pickled; make one in each "
            "process instead."
        )
