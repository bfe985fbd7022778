"""Pools of connections whose size is bounded, for the transports on urllib3.

A pool has room for so many connections; who comes later waits for one, in the order of coming. Long downloads may hold
them all, so nobody waits longer than connecting may take: then an extra one is opened, and dropped afterwards.
"""

from __future__ import annotations

import functools
import http.client
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from ..errors import TransportError
from .base import CHUNK, HttpResponse
from .connections import Limited, NotConnected, limits
from .failures import causes, failure, without_key

POOL = 32
"""Connections that are open per origin at the same time, the extra ones of those who have waited too long aside."""


PART = CHUNK // 2
"""Bytes of an answer that are read at a time; more is no quicker, and leaves holes in the memory."""


class Room:
    """Where a pool keeps its connections: the next free one goes to whoever has waited longest.

    It is a queue as far as urllib3 needs one; ``None`` stands for a connection that is not open yet.
    """

    def __init__(self, maxsize: int) -> None:
        self._lock = threading.Lock()
        self._free: list[Any] = []
        self._waiting: deque[queue.SimpleQueue[Any]] = deque()
        self._extra = 0

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return a connection; ``None`` also when the caller has waited so long that it may open an extra one.

        Raises:
            queue.Empty: The time for the whole exchange is up; or there is none, and the caller will not wait.
        """
        if not block:
            return self._any()
        with self._lock:
            if self._free:
                return self._free.pop()
            mine: queue.SimpleQueue[Any] = queue.SimpleQueue()
            self._waiting.append(mine)
        now = limits.get()
        try:
            return mine.get(timeout=now.connecting())
        except BaseException as error:
            if not isinstance(error, queue.Empty):  # such as Ctrl-C
                self._leave(mine)
                raise
        with self._lock:
            if mine not in self._waiting:
                return mine.get()  # it came at the last moment
            self._waiting.remove(mine)
            if not now.connecting():
                raise queue.Empty
            self._extra += 1
        return None

    def _any(self) -> Any:
        """Return a free connection, to be closed; without the lock, which a fork may have left locked."""
        try:
            return self._free.pop()
        except IndexError:
            raise queue.Empty from None

    def _leave(self, mine: queue.SimpleQueue[Any]) -> None:
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
                return
        self.put(mine.get())

    def put(self, connection: Any, block: bool = True) -> None:
        """Take a connection back, to hand it on, to keep it, or, as long as there are too many, to drop it."""
        with self._lock:
            if not self._extra:
                if self._waiting:
                    self._waiting.popleft().put(connection)
                else:
                    self._free.append(connection)
                return
            self._extra -= 1
        if connection is not None:
            connection.close()

    def qsize(self) -> int:
        """Return how many are free."""
        return len(self._free)


class Answer:
    """An answer on its way, and the connection that it comes over.

    Attributes:
        status: The HTTP status.
        reason: Its text.
        headers: The headers, their names in lower case.
    """

    def __init__(self, source: http.client.HTTPResponse, pool: Any, connection: Any) -> None:
        self.status, self.reason, self.headers = source.status, source.reason, _joined(source.headers)
        self._source, self._pool, self._connection = source, pool, connection
        lengths = {length.strip() for length in self.headers.get("content-length", "").split(",")}
        if len(lengths) > 1:
            raise urllib3.exceptions.ProtocolError("two lengths")

    @property
    def announced(self) -> bool:
        """Whether it is as long as its Content-Length says, and not empty."""
        return bool(self._source.length) and "content-encoding" not in self.headers

    def chunks(self) -> Iterator[bytes]:
        """Give the body as it comes, decoded: a chunk is what one look at the socket has found."""
        if "content-encoding" in self.headers:
            yield from urllib3.HTTPResponse(
                self._source, self.headers, self.status, preload_content=False, original_response=self._source
            ).stream(CHUNK, decode_content=True)
            self.release_conn()
            return
        while data := self._read(self._source.read1, PART):
            yield data

    def into(self, buffer: memoryview) -> int:
        """Write the next bytes into a buffer, and return how many: 0 at the end."""
        count: int = self._read(self._source.readinto, buffer)
        return count

    def _read(self, read: Callable[[Any], Any], wanted: Any) -> Any:
        try:
            got = read(wanted)
            if not got and self._source.length:
                raise http.client.IncompleteRead(b"", self._source.length)
        except (http.client.HTTPException, OSError) as error:
            raise urllib3.exceptions.ProtocolError(str(error), error) from error
        if not got or self._source.length == 0:
            self._source.close()
            self.release_conn()
        return got

    def close(self) -> None:
        """Let go of it: when it was not read to its end, its connection is of no more use."""
        self._source.close()
        if self._connection is not None:
            self._connection.close()
        self.release_conn()

    def release_conn(self) -> None:
        """Give the connection back, open or closed, unless that was done before."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool._put_conn(connection)


def _joined(message: http.client.HTTPMessage) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in message.raw_items():
        name = name.lower()
        value = " ".join(value.split()) if "\n" in value else value  # it was folded over two lines
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


class _Bounded(urllib3.HTTPConnectionPool if TYPE_CHECKING else object):  # type: ignore[misc]
    """What a pool of urllib3 is made into."""

    QueueCls: Any = Room
    ConnectionCls: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ConnectionCls = _LIMITED.get(self.ConnectionCls, self.ConnectionCls)  # not those of SOCKS, nor of mocks

    def urlopen(  # type: ignore[override, unused-ignore]
        self, method: str, url: str, body: Any = None, headers: Any = None, **settings: Any
    ) -> Any:
        """Make one exchange; what urllib3 does besides (repeats, redirects) would only cost time."""
        if not issubclass(self.ConnectionCls, Limited):
            return super().urlopen(method, url, body, headers, **settings)
        connection: Any = self._get_conn()
        try:
            if connection.is_closed:
                self._connect(connection, tunnel=self.proxy is not None and url.startswith("/"))
            if self.proxy is not None and not url.startswith("/"):
                headers = {**headers, **self.proxy_headers}
            return Answer(connection.exchange(method, url, headers, body), self, connection)
        except BaseException as error:
            connection.close()
            self._put_conn(connection)
            if isinstance(error, (http.client.HTTPException, OSError)):
                raise urllib3.exceptions.ProtocolError(str(error), error) from error
            raise

    def _connect(self, connection: Any, tunnel: bool) -> None:
        try:
            if tunnel:
                self._prepare_proxy(connection)
            self._validate_conn(connection)
            if connection.is_closed:
                connection.connect()
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, UnicodeError) as error:
            raise NotConnected(str(error)) from error


class _LimitedHTTP(Limited, HTTPConnection):  # type: ignore[misc]
    pass


class _LimitedHTTPS(Limited, HTTPSConnection):  # type: ignore[misc]
    pass


_LIMITED: dict[Any, Any] = {HTTPConnection: _LimitedHTTP, HTTPSConnection: _LimitedHTTPS}


@functools.cache
def _bounded(pool: type[urllib3.HTTPConnectionPool]) -> type[urllib3.HTTPConnectionPool]:
    return type("Bounded" + pool.__name__, (_Bounded, pool), {})


def with_bounded_pools(manager: Any) -> Any:
    """Have a manager of urllib3 make such pools; it must have been told to block."""
    manager.pool_classes_by_scheme = {scheme: _bounded(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}
    return manager


# ---------------------------------------------------------------- answers and failures


LIBRARY = (urllib3.exceptions.HTTPError, http.client.HTTPException)
"""What urllib3 raises, and what is beneath it."""

FAILURES = (*LIBRARY, OSError, UnicodeError)

NO_CONNECTION = (
    NotConnected,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.EmptyPoolError,
    urllib3.exceptions.ClosedPoolError,
)
SILENT = (urllib3.exceptions.TimeoutError,)


def respond(answer: Any, translate: Callable[..., TransportError], close: Callable[[], None]) -> HttpResponse:
    """Return an answer as it crosses the seam; it may be one of urllib3, of a mock or a proxy that only that knows."""
    own = isinstance(answer, Answer)
    chunks = answer.chunks() if own else answer.stream(CHUNK, decode_content=True)

    def readinto(buffer: memoryview) -> int:
        try:
            return int(answer.into(buffer))
        except FAILURES as error:
            raise translate(error, touched=True) from without_key(error)

    return HttpResponse(
        answer.status,
        dict(answer.headers),
        translating(chunks, translate),
        close,
        readinto=readinto if own and answer.announced else None,
    )


def translating(chunks: Iterator[bytes], translate: Callable[..., TransportError]) -> Iterator[bytes]:
    """Give chunks, and our words when they end too early."""
    try:
        yield from chunks
    except FAILURES as error:
        raise translate(error, touched=True) from without_key(error)


def translated(
    error: BaseException,
    *,
    touched: bool | None,
    library: tuple[type[BaseException], ...] = LIBRARY,
    no_connection: tuple[type[BaseException], ...] = NO_CONNECTION,
    silent: tuple[type[BaseException], ...] = SILENT,
) -> TransportError:
    """Turn a failure of urllib3, or of a library upon it, into one of ours.

    Args:
        error: What was raised.
        touched: Whether any of the body was asked for; None for a request without a body. With a body, that alone tells
            whether there was a connection: urllib3 says "unable to connect to proxy" also when the proxy hangs up after
            it has taken the whole body.
        library: What the library raises.
        no_connection: What of that means that there was no connection.
        silent: What of that means silence.
    """
    behind = list(causes(error))
    unsendable = not isinstance(error, library)
    if touched is None:
        touched = not (unsendable or any(isinstance(cause, no_connection) for cause in behind))
    name = (str(error) if unsendable else "") or type(behind[-1]).__name__
    return failure(error, sent=touched, silent=silent, name=name)
