"""Shared code of the urllib3 and requests transports: connection pools, and reading a response."""

from __future__ import annotations

import http.client
import logging
import queue
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any
from weakref import WeakSet, finalize

import requests
import urllib3

from ..errors import TransportError
from ..redaction import TEXT_LIMIT, redact_secret
from .base import (
    CHUNK,
    FRESH,
    KEPT_CONNECTIONS,
    Headers,
    HttpRequest,
    HttpResponse,
    SystemClock,
    Timeout,
    reset_after_fork,
)
from .body import SentBody
from .decoding import Decoder
from .failures import flaw_of_head, place_of, translate
from .timeouts import check_total

FAILURES = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)
"""The exceptions of urllib3, requests and the modules below them; a `requests.RequestException` is an OSError."""

_NOT_CONNECTED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.ClosedPoolError,
    requests.ConnectTimeout,
    requests.exceptions.ProxyError,
    requests.exceptions.SSLError,
)
_NOT_POSSIBLE = (
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.URLSchemeUnknown,
    urllib3.exceptions.ProxySchemeUnknown,
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)
_SECRETS = ("x-api-key", "authorization", "proxy-authorization", "cookie")


class PooledTransport(SystemClock):
    """Base class of the urllib3 and requests transports. Safe to share between threads, and across ``fork``."""

    _at_exit: finalize[Any, Any] | None = None

    def __init__(self) -> None:
        self._inherited: list[object] = []
        self._reset()
        reset_after_fork(self)

    def _reset(self) -> None:
        """Start with no connections."""
        if self._at_exit is not None:
            self._at_exit.detach()
        self._kept: WeakSet[IdleConnections] = WeakSet()
        self._at_exit = finalize(self, _close_all, self._kept)  # or Python would warn about open sockets at exit
        self._start()

    @abstractmethod
    def _start(self) -> None:
        """Start with no pools."""

    @abstractmethod
    def _exchange(
        self, request: HttpRequest, body: SentBody | None, timeout: urllib3.Timeout, ends: float | None
    ) -> HttpResponse:
        """Make one attempt, which may raise any of ``FAILURES``."""

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt; see `decart.transports.base.Transport`."""
        ends = None if timeout.total is None else time.monotonic() + timeout.total
        body = None if request.body is None else SentBody(request.body, request.may_start)
        _exchanges.has_unparsed_head = False
        try:
            return self._exchange(request, body, _times_of(timeout), ends)
        except FAILURES as error:
            touched = None if body is None else body.touched
            failure = translated(error, request.url, touched, _own_words(error, request.headers))
        if body is not None and body.error is not None:
            raise body.error.with_traceback(None)  # its frames may hold the key
        raise failure  # outside the handler: the library's exception may hold the key, and must not be chained

    def after_fork(self) -> None:
        """In a forked child, leave the parent's connections open: closing them could wait for a lock that it held."""
        self._inherited.append(vars(self).copy())
        self._reset()

    def close(self) -> None:
        """Close the idle connections; those in use are closed after their exchange."""
        kept = self._kept
        self._reset()
        _close_all(kept)


def _close_all(kept: WeakSet[IdleConnections]) -> None:
    for connections in list(kept):
        connections.close()


class IdleConnections(queue.LifoQueue[Any]):
    """The idle connections of one urllib3 pool, in a container that an interrupt cannot corrupt.

    urllib3 keeps them in a `queue.LifoQueue`. If a signal handler (Ctrl-C, a Celery time limit) raises while its lock
    is held, the lock is never released and every later call hangs: about once in 500 interrupts. So our pools get this
    container, whose methods need only single, atomic operations of a `collections.deque`.

    A closed connection is dropped, since the object may hold half of an interrupted request; so is one that was idle
    for longer than ``FRESH`` seconds. No caller ever waits for a connection.
    """

    def __init__(self, most: int = KEPT_CONNECTIONS) -> None:
        self._kept: deque[tuple[Any, float]] = deque()
        self._most = most
        self._closed = False
        super().__init__()

    @classmethod
    def of(cls, pool: urllib3.HTTPConnectionPool, most: int = KEPT_CONNECTIONS) -> IdleConnections:
        """Return the container of a pool, which is installed on the first call."""
        kept = pool.pool  # not a documented name; see the class
        if not isinstance(kept, IdleConnections):
            pool.pool = kept = cls(most)
        return kept

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
        if not item.is_closed and len(self._kept) < self._most and not self._closed:
            self._kept.append((item, time.monotonic()))
        else:
            item.close()

    def qsize(self) -> int:
        """Return the number of connections that can be reused now."""
        return sum(time.monotonic() - since < FRESH for _, since in list(self._kept))

    def close(self) -> None:
        """Close all connections, and those in use when they are returned."""
        self._closed = True
        while self._kept:
            self._kept.pop()[0].close()

    def __del__(self) -> None:
        with suppress(AttributeError):  # an interrupt ended __init__
            self.close()


class _UnparsedHeads(logging.Filter):
    """Detect that urllib3 could not parse all headers of a response, and keep the unparsed ones out of the log.

    urllib3 uses the headers up to that point, and only logs a warning with everything that the server sent, which may
    echo the key. If that logger is disabled, the JSON or the structure of the video shows whether a body is complete.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop only that message, and only if it is about one of our exchanges."""
        ours = hasattr(_exchanges, "has_unparsed_head") and str(record.msg).startswith("Failed to parse headers")
        if ours:
            _exchanges.has_unparsed_head = True
        return not ours


_exchanges = threading.local()
logging.getLogger("urllib3.connection").addFilter(_UnparsedHeads())


def read_response(
    response: urllib3.BaseHTTPResponse, url: str, ends: float | None, chunks: Iterator[bytes] | None = None
) -> HttpResponse:
    """Check the status and headers of a urllib3 response, and convert it.

    Args:
        response: The response; its body must not have been decoded.
        url: The URL of the request.
        ends: When the total timeout of the exchange expires, if it has one.
        chunks: The body, if it has been read already.

    Raises:
        TransportError: It is an interim response (such as 103 Early Hints), so that the final one would be read as the
            response to the next request on the connection; or a header is malformed. The connection is closed.
    """
    headers = Headers(response.headers)
    is_unparsed = vars(_exchanges).pop("has_unparsed_head", False)
    if 100 <= response.status < 200 and response.status != 101:
        flaw: str | None = f"an interim response ({response.status}), and the final one cannot be read"
    elif flaw := "a malformed header" if is_unparsed else flaw_of_head(headers):
        flaw = f"a response that cannot be relied on ({flaw})"
    if flaw is not None:
        response.close()
        raise TransportError(f"{place_of(url)} sent {flaw}.")
    decoder = Decoder.of(headers, url) if chunks is None and "content-encoding" in headers else None
    if chunks is None:
        chunks = _read_chunks(response, url, ends, decoder)
    salvage = bytes if decoder is None else decoder.salvage
    return HttpResponse(response.status, headers, chunks, response.close, salvage)


def _read_chunks(
    response: urllib3.BaseHTTPResponse, url: str, ends: float | None, decoder: Decoder | None
) -> Iterator[bytes]:
    """Yield the body, decoded, as it is received; translate the library's exceptions."""
    raw = {} if decoder is None else {"decode_content": False}  # only if needed: the responses of VCR do not accept it
    failure: TransportError | None = None
    is_over = False
    while not is_over:
        chunk = b""  # the last one may echo the key, and a traceback would keep it alive
        if ends is not None:
            check_total(ends)
        try:
            chunk = response.read1(CHUNK, **raw)
        except FAILURES as error:
            failure = translated(error, url, touched=True)
        is_over = not chunk or response.closed
        if chunk and decoder is not None:
            pieces, chunk = decoder.decode(chunk), b""
            yield from pieces
        elif chunk:
            yield chunk
    if failure is not None:
        raise failure
    if decoder is not None:
        decoder.finish()


@lru_cache(maxsize=64)
def _times_of(timeout: Timeout) -> urllib3.Timeout:
    """Convert a timeout to that of urllib3, which copies it for each request."""
    return urllib3.Timeout(connect=timeout.connect, read=timeout.read, total=timeout.total)


def translated(error: BaseException, url: str, touched: bool | None, reason: str = "") -> TransportError:
    return translate(
        error, url, touched=touched, not_connected=_NOT_CONNECTED, not_possible=_NOT_POSSIBLE, reason=reason
    )


def _own_words(error: BaseException, headers: Mapping[str, str]) -> str:
    """Return the text of a mock's or custom adapter's exception, redacted; requests' own wrap another exception."""
    if type(error) is not requests.ConnectionError or not isinstance(next(iter(error.args), None), str):
        return ""
    sent = {**headers, **getattr(error.request, "headers", {})}
    text = str(error)
    for secret in (value for name, value in sent.items() if name.lower() in _SECRETS):
        text = redact_secret(text, str(secret))
    return " ".join(text.split()).rstrip(".")[:TEXT_LIMIT]
