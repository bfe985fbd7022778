"""The front door: one object that holds the key, the connections and the policies."""

from __future__ import annotations

from types import TracebackType

from . import _config
from ._core import Core
from .errors import InvalidInputError
from .policies import PollPolicy, RetryPolicy
from .queue import QueueClient
from .transports.base import Timeout, Transport

_TIMEOUT = Timeout()
_RETRY = RetryPolicy()
_POLL = PollPolicy()


class DecartClient:
    """A client of the service. One for the whole program is right: it may be shared by threads, and survives ``fork``.

    Args:
        api_key: The key; the environment variable ``DECART_API_KEY`` unless given.
        base_url: Where the service is; ``DECART_BASE_URL``, or else https://api.decart.ai, unless given.
        timeout: Seconds without progress after which an exchange is given up, or a ``Timeout`` with more detail.
        retry: How an exchange that failed is repeated.
        poll: How a wait for a job asks for its status, and how long it goes on.
        transport: What sends the requests; requests unless given. A transport of your own is yours to close.
        integration: Your program's name and version, such as ``"my-app/1.0"``, to be told to the service.

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
        timeout: Timeout | float = _TIMEOUT,
        retry: RetryPolicy = _RETRY,
        poll: PollPolicy = _POLL,
        transport: Transport | None = None,
        integration: str | None = None,
    ) -> None:
        settings = _config.settings(api_key, base_url, timeout, integration)
        _check("retry", retry, RetryPolicy)
        _check("poll", poll, PollPolicy)
        if transport is not None:
            _check("transport", transport, Transport)
        self._owns_transport = transport is None
        self._core = Core(settings=settings, transport=transport or _default_transport(), retry=retry, poll=poll)
        self.queue = QueueClient(self._core)

    def __repr__(self) -> str:
        return f"DecartClient(base_url={self._core.settings.base_url!r})"

    def __enter__(self) -> DecartClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> str:
        raise TypeError("A DecartClient holds a key and connections and is not pickled; make one in each process.")

    def close(self) -> None:
        """Close the connections. The client cannot be used any more; closing it again does nothing.

        Example:
            >>> client.close()
        """
        if self._owns_transport and not self._core.closed:
            self._core.transport.close()
        self._core.closed = True


def _check(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise InvalidInputError(f"{name} must be a {kind.__name__}, not {type(value).__name__}.")


def _default_transport() -> Transport:
    from .transports.requests import RequestsTransport

    return RequestsTransport()
