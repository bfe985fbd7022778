"""urllib3 without requests, for about half of the CPU time per call; and the code that both transports share.

Both make one attempt, follow no redirect, and use the proxies and CA bundle of the environment.
"""

from __future__ import annotations

import http.client
import logging
import queue
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakSet, finalize

import attrs
import urllib3
from urllib3 import exceptions

from ..errors import TransportError
from .base import CHUNK, FRESH, KEPT_CONNECTIONS, HttpRequest, HttpResponse, Timeout, place_of, reset_after_fork
from .body import Decoder, SentBody
from .failures import Kinds, failed_exchange, failed_read
from .routes import find_route
from .timing import SystemClock, total_exceeded

FAILURES = (exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)
"""The exceptions of urllib3, requests and the modules below them; a `requests.RequestException` is an OSError."""

KINDS = Kinds(
    (
        exceptions.NewConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.SSLError,
        exceptions.ProxyError,
        exceptions.ClosedPoolError,
    ),
    (exceptions.LocationValueError,),
)
_NO_RETRIES = urllib3.Retry(False, redirect=False)


class PooledTransport(SystemClock):
    """Base class of the urllib3 and requests transports. Safe to share between threads, and across ``fork``."""

    def __init__(self) -> None:
        self._inherited: list[object] = []
        self._reset()
        reset_after_fork(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _reset(self) -> None:
        """Start with no connections."""
        self._opened: WeakSet[Any] = WeakSet()
        self._closing = finalize(self, _close, self._opened)  # at exit, too, or Python would warn about open sockets
        self._start()

    @abstractmethod
    def _start(self) -> None:
        """Start with no pools."""

    def _keep_connections(self, pool: Any, most: int = KEPT_CONNECTIONS) -> None:
        """Have a pool of urllib3 keep its idle connections in a container that an interrupt cannot corrupt."""
        if not isinstance(pool.pool, _IdleConnections):  # not a documented name; see the class
            pool.pool = _IdleConnections(most)
            self._opened.add(pool)

    def after_fork(self) -> None:
        """In a forked child, leave the parent's connections open: closing them could wait for a lock that it held."""
        self._closing.detach()
        self._inherited.append(vars(self).copy())
        self._reset()

    def close(self) -> None:
        """Close the idle connections; those in use are closed after their exchange."""
        closing = self._closing
        self._reset()
        closing()


def _close(pools: WeakSet[Any]) -> None:
    for pool in list(pools):
        pool.close()


class Urllib3Transport(PooledTransport):
    """Send through urllib3. Safe to share between threads, and across ``fork``.

    Args:
        connections: Idle connections to keep per origin. More are opened when needed; no call waits for one.

    Example:
        >>> client = DecartClient(api_key="your-api-key", transport="urllib3")
    """

    def __init__(self, *, connections: int = KEPT_CONNECTIONS) -> None:
        self._connections = connections
        super().__init__()

    def _start(self) -> None:
        self._pools: dict[str, Any] = {}  # for each origin, a pool, or the manager of a proxy that forwards requests

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt; see `decart.transports.base.Transport`."""
        ends = None if timeout.total is None else time.monotonic() + timeout.total
        headers, body = request.headers, None
        if request.body is not None:
            body = SentBody(request.body, request.may_start)
            headers = {**headers, "Content-Length": str(len(request.body))}
        scheme, _, rest = request.url.partition("://")
        host, slash, path = rest.partition("/")
        outer, CURRENT.has_unparsed_head = CURRENT.has_unparsed_head, False
        try:
            pool = self._pools.get(scheme + host) or self._new_pool(f"{scheme}://{host}", scheme + host)
            if ends is not None and time.monotonic() >= ends:
                raise total_exceeded(timeout, sent=False)
            raw = pool.urlopen(
                request.method,
                request.url if isinstance(pool, urllib3.PoolManager) else slash + path or "/",
                body=body,
                headers=headers,
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
                timeout=times_of(timeout),
            )
            return response_of(raw, request.url, ends, timeout)
        except FAILURES as error:
            failure = failed_exchange(error, request.url, timeout, body, KINDS)
        finally:
            CURRENT.has_unparsed_head = outer
        raise failure  # outside the handler: the library's exception may hold the key, and must not be chained

    def _new_pool(self, origin: str, key: str) -> Any:
        """Return the object that sends requests to an origin."""
        route = find_route(origin)
        settings: dict[str, Any] = {"maxsize": self._connections, "ssl_context": route.tls}
        if route.proxy is None:
            manager = urllib3.PoolManager(**settings)
        else:
            login = urlsplit(route.proxy)
            user, password = unquote(login.username or "") or None, unquote(login.password or "")
            if route.proxy.startswith("socks"):
                from urllib3.contrib.socks import SOCKSProxyManager  # needs PySocks, which find_route has checked

                manager = SOCKSProxyManager(route.proxy, username=user, password=password if user else None, **settings)
            else:
                headers = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else {}
                settings |= {"proxy_headers": headers, "proxy_ssl_context": route.tls}
                manager = urllib3.ProxyManager(route.proxy, **settings)
        pool = manager.connection_from_url(origin)
        self._keep_connections(pool, self._connections)
        forwards = origin.startswith("http:") and isinstance(manager, urllib3.ProxyManager)
        return self._pools.setdefault(key, manager if forwards else pool)


class _IdleConnections(queue.LifoQueue[Any]):
    """The idle connections of one urllib3 pool, in a container that an interrupt cannot corrupt.

    urllib3 keeps them in a `queue.LifoQueue`. If a signal handler (Ctrl-C, a Celery time limit) raises while its lock
    is held, the lock is never released and every later call hangs: about once in 500 interrupts. So our pools get this
    container, whose methods need only single, atomic operations of a `collections.deque`.

    A closed connection is dropped, since the object may hold half of an interrupted request; so is one that was idle
    for longer than ``FRESH`` seconds. No caller ever waits for a connection.
    """

    def __init__(self, most: int) -> None:
        self._kept: deque[tuple[Any, float]] = deque()
        self._most = most
        super().__init__()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the most recently used connection.

        Raises:
            queue.Empty: There is none, so the pool must open one.
        """
        while True:
            try:
                connection, since = self._kept.pop()
            except IndexError:
                raise queue.Empty from None
            if time.monotonic() - since < FRESH:
                return connection
            connection.close()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Keep a connection if it is open and there is room for it; ignore ``None``."""
        if item is None:
            return
        if not item.is_closed and len(self._kept) < self._most:
            self._kept.append((item, time.monotonic()))
        else:
            item.close()

    def qsize(self) -> int:
        """Return the number of connections that can be reused now; VCR asks for it."""
        return sum(time.monotonic() - since < FRESH for _, since in list(self._kept))

    def __del__(self) -> None:
        with suppress(AttributeError):  # an interrupt ended __init__
            while self._kept:
                self._kept.pop()[0].close()


class _UnparsedHeads(logging.Filter):
    """Detect that urllib3 could not parse all headers of a response, and keep the unparsed ones out of the log.

    urllib3 uses the headers up to that point, and only logs a warning with everything that the server sent, which may
    echo the key. If that logger is disabled, the JSON or the structure of the video shows whether a body is complete.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop only that message, and only if it is about one of our exchanges."""
        ours = CURRENT.has_unparsed_head is not None and str(record.msg).startswith("Failed to parse headers")
        if ours:
            CURRENT.has_unparsed_head = True
        return not ours


class _Current(threading.local):
    """The state of the current thread; a callback may make one exchange inside another."""

    has_unparsed_head: bool | None = None
    """Whether urllib3 could not parse all headers in the exchange under way; ``None`` if there is none."""


CURRENT = _Current()
logging.getLogger("urllib3.connection").addFilter(_UnparsedHeads())


def response_of(
    raw: urllib3.BaseHTTPResponse, url: str, ends: float | None, timeout: Timeout, chunks: Iterator[bytes] | None = None
) -> HttpResponse:
    """Check the status and headers of a urllib3 response, and convert it.

    Args:
        raw: The response; its body must not have been decoded.
        url: The URL of the request.
        ends, timeout: When its total timeout expires, if it has one; and all of its time limits.
        chunks: The body, if it has been read already.

    Raises:
        TransportError: A header is malformed, or it is an interim response such as 103 Early Hints: the final response
            would be taken for that to the next request. The connection is closed.
    """
    salvage: Callable[[], bytes] = bytes
    if chunks is None:
        raw.decode_content = False  # urllib3 does not notice that an encoded body ends too early
        chunks = _Received(raw, url, ends, timeout)
        if "content-encoding" in raw.headers and (decoder := Decoder.of(raw.headers, url)) is not None:
            chunks, salvage = decoder.decoded(chunks), decoder.salvage
    response = HttpResponse(raw.status, raw.headers, chunks, raw.close, salvage)
    flaw = "a malformed header" if CURRENT.has_unparsed_head else response.headers.flaw
    if 100 <= raw.status < 200 and raw.status != 101:
        raw.close()
        raise TransportError(f"{place_of(url)} sent an interim response ({raw.status}); the final one cannot be read.")
    if flaw is not None:
        raw.close()
        raise TransportError(f"{place_of(url)} sent a malformed response ({flaw}).")
    return response


@attrs.define
class _Received(Iterator[bytes]):
    """The body of a response as it is received; exceptions of the library are translated."""

    _raw: urllib3.BaseHTTPResponse
    _url: str
    _ends: float | None
    _timeout: Timeout

    def __next__(self) -> bytes:
        if self._ends is not None and not self._raw.closed and time.monotonic() >= self._ends:
            raise total_exceeded(self._timeout)
        try:
            if chunk := self._raw.read1(CHUNK):
                return chunk
        except FAILURES as error:
            failure = failed_read(error, self._url, self._timeout)
        else:
            raise StopIteration
        raise failure


@lru_cache(maxsize=64)
def times_of(timeout: Timeout) -> urllib3.Timeout:
    """Convert a timeout for urllib3, which copies it for each request."""
    return urllib3.Timeout(connect=timeout.connect, read=timeout.read, total=timeout.total)
