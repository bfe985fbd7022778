"""aiohttp, for programs that live on an event loop (extra ``async``).

What it adds to `aiohttp.ClientSession`, and why:

- **One session per running loop**, made when first needed: a session belongs to its loop, and one client may see one
  `asyncio.run` after another. It is closed with the transport, or at the latest when its loop shuts down.
- **No redirect, no cookie, no password file, no repeat**: see `decart.transports.requests`, which does the same.
- **The same proxies and CA bundle**: from the environment, found as requests finds them, once per origin.
- **The body tells whether it was touched**, which is what decides if a submit may be repeated.
- **Files are read in threads**, and a server that takes nothing of a body for the read timeout is given up: aiohttp's
  own read timeout begins only when all is sent.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import requests.adapters
import requests.utils

from .._extras import require
from ..errors import TransportError
from .base import CHUNK, PIECE, AsyncHttpResponse, Body, HttpRequest, Timeout
from .failures import causes, failure, without_key
from .loop import LoopClock
from .requests import environment_settings

try:
    import aiohttp
    import yarl
except ImportError:
    require("async", "aiohttp", "yarl")
    raise

CATCH_UP = 3
"""Turns of a loop after which it has heard what had come in before: even over TLS, that a connection was closed."""

CONNECTIONS = 100
"""Open at the same time, all origins together; more exchanges than that wait for their turn."""

_NO_CONNECTION = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    ssl.SSLError,
)
_FAILURES = (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError)


@attrs.frozen
class _Way:
    """How to get to an origin: over which proxy, and who vouches for its certificate."""

    proxy: str | None
    tls: ssl.SSLContext | bool


class AiohttpTransport(LoopClock):
    """Send through aiohttp. It may be used from many tasks, from one event loop after another, and by several at once.

    Args:
        connections: Open at the same time in one loop; more exchanges wait for their turn.

    Raises:
        MissingExtraError: On import, when aiohttp is not installed.

    Example:
        >>> client = AsyncDecartClient(api_key="your-api-key", transport=AiohttpTransport())
    """

    def __init__(self, *, connections: int = CONNECTIONS) -> None:
        self._connections = connections
        self._lock = threading.Lock()
        self._sessions: dict[asyncio.AbstractEventLoop, tuple[aiohttp.ClientSession, AsyncGenerator[None, None]]] = {}
        self._ways: dict[str, _Way] = {}
        self._finding = threading.Lock()

    def __repr__(self) -> str:
        return "AiohttpTransport()"

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        """Make one attempt; see `decart.transports.base.AsyncTransport`."""
        upload = None if request.body is None else _Upload(request.body)
        try:
            session = await self._session_of_this_loop()
            way = await self._way_to(request.url)
            if upload is not None:
                await _catch_up()  # the loop may have stood still while kept connections were closed
            response = await _exchange(session, request, timeout, way, upload)
        except _FAILURES as error:
            if upload is not None:
                await upload.settle()  # a repeat may begin, and read the same file
                if upload.error is not None:
                    raise upload.error  # noqa: B904 - the caller's file is at fault, and says so itself
            raise _translated(error, None if upload is None else upload.touched) from _without_key(error)
        headers: Mapping[str, str] = response.headers
        if len({name.lower() for name in headers}) < len(headers):  # some came twice
            headers = {name: ", ".join(response.headers.getall(name)) for name in headers}
        return AsyncHttpResponse(response.status, headers, _Chunks(response), _closing(response, upload))

    async def aclose(self) -> None:
        """Close the connections of this loop, and those of other loops that are running."""
        with self._lock:
            sessions, self._sessions = self._sessions, {}
        for loop, (_, keeper) in sessions.items():
            if loop is asyncio.get_running_loop():
                await keeper.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(keeper.aclose(), loop))

    async def _session_of_this_loop(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        known = self._sessions.get(loop)
        if known is None:
            session = self._new_session()
            keeper = _until_the_loop_ends(session)
            await keeper.__anext__()
            known = session, keeper
            with self._lock:
                self._sessions = {loop: known, **{k: v for k, v in self._sessions.items() if not k.is_closed()}}
        return known[0]

    def _new_session(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        session._retry_connection = False  # it would send a GET again by itself; there is no public name for that
        return session

    async def _way_to(self, url: str) -> _Way:
        key = "/".join(url.split("/", 3)[:3])
        if key not in self._ways:
            await asyncio.to_thread(self._find_way, key, url)
        return self._ways[key]

    def _find_way(self, key: str, url: str) -> None:
        with self._finding:  # a hundred tasks may ask at the same time; a CA bundle takes a while to read, and a
            if key not in self._ways:  # connection is kept for one TLS context only
                self._ways[key] = _way(url)


async def _until_the_loop_ends(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """Close a session when this generator is closed: the loop closes those that are left when it shuts down."""
    try:
        yield
    finally:
        await session.close()


def _way(url: str) -> _Way:
    """Find proxy and CA bundle as requests finds them."""
    settings = environment_settings(url, requests.Session())
    proxy = requests.utils.select_proxy(url, settings["proxies"])
    if proxy is not None and "://" not in proxy:
        proxy = f"http://{proxy}"
    secure = any(hop is not None and urlsplit(hop).scheme == "https" for hop in (url, proxy))
    return _Way(proxy, _trusting(settings["verify"]) if secure else True)


def _trusting(verify: bool | str) -> ssl.SSLContext:
    """Return TLS that trusts a CA bundle, a file or a folder, or for True the one that requests comes with."""
    bundle = requests.adapters.DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)
    path = Path(bundle)
    if not path.exists():
        raise OSError(f"Could not find a suitable TLS CA certificate bundle, invalid path: {bundle}")
    tls = ssl.create_default_context(capath=bundle) if path.is_dir() else ssl.create_default_context(cafile=bundle)
    tls.set_alpn_protocols(("http/1.1",))
    return tls


async def _exchange(
    session: aiohttp.ClientSession, request: HttpRequest, timeout: Timeout, way: _Way, upload: _Upload | None
) -> aiohttp.ClientResponse:
    """Send a request and wait for the head of its answer; progress of the upload puts the end off."""
    headers = {"Accept-Encoding": "identity", **request.headers}
    if upload is not None:
        headers["Content-Length"] = str(len(upload))
    begin = session.request(
        request.method,
        yarl.URL(request.url, encoded=True),
        headers=headers,
        data=upload,
        allow_redirects=False,
        proxy=way.proxy,
        ssl=way.tls,
        timeout=aiohttp.ClientTimeout(
            total=timeout.total,
            sock_connect=timeout.connect,
            sock_read=timeout.read,
            ceil_threshold=float("inf"),  # or it rounds to whole seconds
        ),
    )
    if upload is None:
        return await begin
    with _Patience(timeout.read) as upload.patience:
        return await begin


async def _catch_up() -> None:
    """Let the loop hear what has come in by now."""
    for _ in range(CATCH_UP):
        await asyncio.sleep(0)


class _Patience:
    """Ends the exchange of the task that enters it when a wait for the other side, begun by another task, is too long.

    (`asyncio.timeout` is that from Python 3.11 on; what there is for 3.10 ends the task that has put the end off.)
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._ended = self._left = False

    def __enter__(self) -> _Patience:
        self._task: Any = asyncio.current_task()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.over()
        self._left = True
        if self._ended and kind is asyncio.CancelledError:
            others = self._task.uncancel() if sys.version_info >= (3, 11) else 0
            if not others:
                raise asyncio.TimeoutError("nothing of the body was taken") from error

    def begin(self) -> None:
        """Begin a wait."""
        if not self._left:  # when the answer is there, a body may still be on its way
            self._timer = self._loop.call_later(self._seconds, self._end)

    def over(self) -> None:
        """End it in time."""
        if self._timer is not None:
            self._timer.cancel()

    def _end(self) -> None:
        self._ended = True
        self._task.cancel()


class _Upload:
    """A request body on its way: read in threads, in pieces, and only once.

    Attributes:
        touched: Whether any of it was asked for, which happens only over a connection.
        error: What went wrong with it, as with a file that has become shorter.
        patience: What watches that a piece is taken in time; it is set when the exchange begins.
    """

    patience: _Patience

    def __init__(self, body: Body) -> None:
        self.touched = False
        self.error: BaseException | None = None
        self._size = self._left = len(body)
        self._source = iter(body)
        self._in_memory = getattr(body, "in_memory", False)
        self._pieces: deque[bytes] = deque()
        self._reading: asyncio.Future[bytes] | None = None

    def __len__(self) -> int:
        return self._size

    def __aiter__(self) -> _Upload:
        return self

    async def __anext__(self) -> bytes:
        first, self.touched = not self.touched, True
        self.patience.over()
        if not self._pieces and self._left > 0:  # at the end an answer may come at once: a look for more costs its
            await self._read()  # connection, which aiohttp drops when an answer overtakes the body
        if not self._pieces:
            raise StopAsyncIteration
        if not first:
            await _catch_up()  # a refusal may be there already, and the next write could find the connection reset
        self.patience.begin()
        return self._pieces.popleft()

    async def _read(self) -> None:
        try:
            data = _gathered(self._source) if self._in_memory else await self._read_in_thread()
        except Exception as error:
            self.error = error
            raise
        self._left = self._left - len(data) if data else 0
        self._pieces.extend(data[start : start + PIECE] for start in range(0, len(data), PIECE))

    async def _read_in_thread(self) -> bytes:
        self._reading = asyncio.get_running_loop().run_in_executor(None, _gathered, self._source)
        return await asyncio.shield(self._reading)

    async def settle(self) -> None:
        """Wait until no thread reads the caller's file any more."""
        if self._reading is not None:
            await asyncio.wait({self._reading})


def _gathered(source: Iterator[bytes]) -> bytes:
    """Return the next chunk or so of a body; empty at its end."""
    data = b""
    for piece in source:
        data = data + piece if data else piece
        if len(data) >= CHUNK:
            break
    return data


class _Chunks:
    """The chunks of an answer, and our words when they end too early."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._content = response.content

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        if self._content.at_eof():
            raise StopAsyncIteration
        try:
            chunk = await self._content.read(CHUNK)
        except _FAILURES as error:
            raise _translated(error, True) from _without_key(error)
        if not chunk:
            raise StopAsyncIteration
        return chunk


def _closing(response: aiohttp.ClientResponse, upload: _Upload | None) -> Callable[[], Any]:
    async def aclose() -> None:
        response.close()  # a connection whose answer was read to the end has gone back by then
        if upload is not None:
            await upload.settle()

    return aclose


def _without_key(error: BaseException) -> BaseException:
    """Take the key off, which aiohttp keeps twice in some: in the request, and in the arguments that have it again."""
    kept = [(cause, cause.request_info) for cause in causes(error) if isinstance(cause, aiohttp.ClientResponseError)]
    without_key(error)
    for cause, request_info in kept:
        cause.args = ()
        cause.request_info = request_info._replace(headers=None)  # type: ignore[arg-type]  # str() asks for the rest
    return error


def _translated(error: BaseException, touched: bool | None) -> TransportError:
    """Turn a failure of aiohttp into one of ours; ``touched`` is None for a request without a body."""
    of_aiohttp = isinstance(error, (aiohttp.ClientError, asyncio.TimeoutError))
    if touched is None:
        touched = of_aiohttp and not any(isinstance(cause, _NO_CONNECTION) for cause in causes(error))
    name = ("" if of_aiohttp else str(error)) or type(error).__name__
    return failure(error, sent=touched, silent=(asyncio.TimeoutError,), name=name)
