"""urllib3 by itself: what requests stands on, at about half of its CPU time per call.

The same rules as `decart.transports.requests`: one attempt, no redirects, the proxies and CA bundle of the environment.
"""

from __future__ import annotations

import http.client
import logging
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

import urllib3

from ..errors import TransportError
from .base import CHUNK, KEPT_CONNECTIONS, HttpRequest, HttpResponse, Limit, SystemClock, Timeout
from .body import SentBody
from .failures import flaw_of_head, place_of, translate, unreliable
from .forks import begin_anew_in_children
from .idle import IdleConnections, keep_safely
from .routes import Route, find_route

FAILURES = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)
"""What urllib3 and the modules beneath it raise."""

NOT_CONNECTED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.ClosedPoolError,
)
NOT_POSSIBLE = (
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.URLSchemeUnknown,
    urllib3.exceptions.ProxySchemeUnknown,
)


class _UnparsedHeads(logging.Filter):
    """Notice that the head of a response could not be parsed to its end, and keep the rest of it out of the log.

    urllib3 goes on with the headers before that place. It tells its log only, with all that the server sent, which may
    echo the key. If that log is switched off, JSON and the structure of a video show whether a body is whole.
    """

    def __init__(self) -> None:
        super().__init__()
        self._exchange = threading.local()
        logging.getLogger("urllib3.connection").addFilter(self)

    def begin(self) -> None:
        """Watch the exchange that begins in this thread."""
        self._exchange.unparsed = False

    def end(self) -> bool:
        """Say whether it had a head that could not be parsed."""
        unparsed: bool = self._exchange.__dict__.pop("unparsed", False)
        return unparsed

    def filter(self, record: logging.LogRecord) -> bool:
        """Let everything pass but that message about an exchange of ours."""
        ours = hasattr(self._exchange, "unparsed") and str(record.msg).startswith("Failed to parse headers")
        if ours:
            self._exchange.unparsed = True
        return not ours


unparsed_heads = _UnparsedHeads()

_NO_RETRIES = urllib3.Retry(False, redirect=False)


class Urllib3Transport(SystemClock):
    """Send through urllib3. Safe to share between threads, and across ``fork``.

    Args:
        connections: Idle connections to keep per origin. More are opened when needed; no call waits for one.

    Example:
        >>> client = DecartClient(api_key="your-api-key", transport="urllib3")
    """

    def __init__(self, *, connections: int = KEPT_CONNECTIONS) -> None:
        self._connections = connections
        self._inherited: list[object] = []
        self._start()
        begin_anew_in_children(self)

    def __repr__(self) -> str:
        return "Urllib3Transport()"

    def _start(self) -> None:
        """Begin with no connections."""
        self._pools: dict[str, urllib3.HTTPConnectionPool | urllib3.PoolManager] = {}
        self._kept: WeakSet[IdleConnections] = WeakSet()  # with their pools, which urllib3 may forget

    def after_fork(self) -> None:
        """Leave the parent's connections alone, in a child."""
        self._inherited.append((self._pools, list(self._kept)))  # closing them could wait for a lock of the parent
        self._start()

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt; see `decart.transports.base.Transport`."""
        limit = Limit(timeout)
        body = None if request.body is None else SentBody(request.body, request.may_start)
        headers = request.headers if body is None else {**request.headers, "Content-Length": str(len(body))}
        try:
            pool, target = self._pool_for(request.url)
            limit.check(sent=False)
            unparsed_heads.begin()
            response = pool.urlopen(
                request.method,
                target,
                body=body,
                headers=headers,
                retries=_NO_RETRIES,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
                timeout=times_of(timeout),
            )
            check_head(response, request.url)
        except FAILURES as error:
            failure = _translated(error, request.url, None if body is None else body.touched)
        else:
            translated = partial(_translated, url=request.url, touched=True)
            chunks = read_chunks(response, limit, translated)
            return HttpResponse(response.status, response.headers, chunks, response.close)
        if body is not None and body.error is not None:
            raise body.error.with_traceback(None)  # whose frames may hold the key
        raise failure  # here, so that the library's exception, which may hold the key, is not its context

    def _pool_for(self, url: str) -> tuple[Any, str]:
        """Return what makes the request, and the target to ask it for."""
        place, target = _split(url)
        if place not in self._pools:
            route = find_route(place)
            manager = _manager(route, place, self._connections)
            pool = manager.connection_from_url(place)
            self._kept.add(keep_safely(pool, self._connections))
            forwards = place.startswith("http:") and route.proxy is not None and route.proxy.startswith("http")
            self._pools[place] = manager if forwards else pool
        made = self._pools[place]
        return made, (url if isinstance(made, urllib3.ProxyManager) else target)  # a proxy that forwards takes it all

    def close(self) -> None:
        """Close the idle connections; those in use are closed after their exchange."""
        kept = self._kept
        self._start()
        for connections in kept:
            connections.close()


def _split(url: str) -> tuple[str, str]:
    """Split a URL into its origin and the target of the request."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}", slash + path or "/"


def _manager(route: Route, place: str, connections: int) -> urllib3.PoolManager:
    tls = route.tls() if "https" in (urlsplit(place).scheme, urlsplit(route.proxy or "").scheme) else None
    settings: dict[str, Any] = {"maxsize": connections, "ssl_context": tls}
    if route.proxy is None:
        return urllib3.PoolManager(**settings)
    user, password = _login(route.proxy)
    if route.proxy.startswith("socks"):
        from urllib3.contrib.socks import SOCKSProxyManager  # needs PySocks, which find_route has checked

        return SOCKSProxyManager(route.proxy, username=user, password=password, **settings)
    headers = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else {}
    return urllib3.ProxyManager(route.proxy, proxy_headers=headers, proxy_ssl_context=tls, **settings)


def _login(proxy: str) -> tuple[str | None, str | None]:
    parts = urlsplit(proxy)
    return (unquote(parts.username), unquote(parts.password or "")) if parts.username else (None, None)


@lru_cache(maxsize=64)
def times_of(timeout: Timeout) -> urllib3.Timeout:
    """Return the timeout as urllib3 has it, which copies it for each request."""
    return urllib3.Timeout(connect=timeout.connect, read=timeout.read, total=timeout.total)


def check_head(response: Any, url: str) -> None:
    """Refuse a response of urllib3 whose head does not show what comes after it, and close its connection.

    Raises:
        TransportError: It is an interim response (103 Early Hints, say), whose final one is still to come on the same
            connection and must not reach the next request; or its head is malformed.
    """
    is_unparsed = unparsed_heads.end()
    if 100 <= response.status < 200 and response.status != 101:
        response.close()
        raise TransportError(
            f"{place_of(url)} sent an interim response ({response.status}), and the final one cannot be read."
        )
    flaw = "a malformed header" if is_unparsed else flaw_of_head(response.headers)
    if flaw is not None:
        response.close()
        raise unreliable(url, flaw)


def read_chunks(
    response: urllib3.BaseHTTPResponse, limit: Limit, translated: Callable[[BaseException], TransportError]
) -> Iterator[bytes]:
    """Yield what each read of a body brings, decoded, with failures translated."""
    encoded = "content-encoding" in response.headers
    read = partial(response.read1, CHUNK, decode_content=True) if encoded else partial(response.read1, CHUNK)
    while True:
        limit.check()
        chunk = b""  # the last one may echo the key, and this frame goes with an error
        try:
            chunk = read()
        except FAILURES as error:
            failure = translated(error)
            break
        if not chunk:
            return
        yield chunk
        if response.closed and not encoded:
            return  # it is complete: another read would only say so
    raise failure


def _translated(error: BaseException, url: str, touched: bool | None) -> TransportError:
    return translate(error, url, touched=touched, not_connected=NOT_CONNECTED, not_possible=NOT_POSSIBLE)
