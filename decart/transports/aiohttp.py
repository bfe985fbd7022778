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
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from .._extras import require
from ..errors import TransportError
from .base import CHUNK, AsyncHttpResponse, HttpRequest, Timeout, place
from .environment import Way, find_way
from .failures import causes, failure, without_key
from .loop import LoopClock
from .processes import OfThisProcess
from .upload import Patience, Upload, catch_up

try:
    import aiohttp
    import yarl
except ImportError:
    require("async", "aiohttp", "yarl")
    raise

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


@attrs.frozen(eq=False)
class _Home:
    """What the transport has in one event loop: a session, what closes it, and a lock around finding the way."""

    session: aiohttp.ClientSession
    keeper: AsyncGenerator[None, None]
    finding: asyncio.Lock


class AiohttpTransport(OfThisProcess, LoopClock):
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
        self._left: list[object] = []
        super().__init__()

    def __repr__(self) -> str:
        return "AiohttpTransport()"

    def _begin(self) -> None:
        self._homes: dict[asyncio.AbstractEventLoop, _Home] = {}
        self._ways: dict[str, Way] = {}

    def _leave(self) -> None:
        """Keep what the parent has, for good: closing it here would end the watch that its loop keeps over there.

        Nor may it close itself when the child ends; there is no public way to tell a connector so.
        """
        self._left.append(self._homes)
        for session in [home.session for home in self._homes.values() if not home.session.closed]:
            connector: Any = session.connector
            connector._closed = True
            session.detach()

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        """Make one attempt; see `decart.transports.base.AsyncTransport`."""
        upload = None if request.body is None else Upload(request.body)
        try:
            home = await self._home_of_this_loop()
            way = await self._way_to(request.url, home)
            if upload is not None:
                await catch_up()  # the loop may have stood still while kept connections were closed
            response = await _exchange(home.session, request, timeout, way, upload)
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
        self._stay_in_this_process()
        with self._lock:
            homes, self._homes = self._homes, {}
        for loop, home in homes.items():
            if loop is asyncio.get_running_loop():
                await home.keeper.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(home.keeper.aclose(), loop))

    async def _home_of_this_loop(self) -> _Home:
        self._stay_in_this_process()
        loop = asyncio.get_running_loop()
        home = self._homes.get(loop)
        if home is None:
            session = self._new_session()
            home = _Home(session, _until_the_loop_ends(session), asyncio.Lock())
            await home.keeper.__anext__()
            with self._lock:
                self._homes = {loop: home, **{k: v for k, v in self._homes.items() if not k.is_closed()}}
        return home

    def _new_session(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        session._retry_connection = False  # it would send a GET again by itself; there is no public name for that
        return session

    async def _way_to(self, url: str, home: _Home) -> Way:
        key = place(url)
        if key not in self._ways:
            async with home.finding:  # a hundred tasks may ask, and a CA bundle takes a while to read
                if key not in self._ways:
                    way = await asyncio.to_thread(_way, url)
                    self._ways.setdefault(key, way)  # a connection is kept for one TLS context only
        return self._ways[key]


async def _until_the_loop_ends(session: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    """Close a session when this generator is closed: the loop closes those that are left when it shuts down."""
    try:
        yield
    finally:
        await session.close()


def _way(url: str) -> Way:
    """Find proxy and CA bundle, where aiohttp can go that way."""
    found = find_way(url)
    if found.proxy is not None and urlsplit(found.proxy).scheme not in ("http", "https"):
        # it would talk HTTP to it
        raise OSError(f"aiohttp has no {urlsplit(found.proxy).scheme} proxies; requests has")
    return found


async def _exchange(
    session: aiohttp.ClientSession, request: HttpRequest, timeout: Timeout, way: Way, upload: Upload | None
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
        ssl=way.tls or True,
        timeout=aiohttp.ClientTimeout(
            total=timeout.total,
            sock_connect=timeout.connect,
            sock_read=timeout.read,
            ceil_threshold=float("inf"),  # or it rounds to whole seconds
        ),
    )
    if upload is None:
        return await begin
    with Patience(timeout.read) as upload.patience:
        return await begin


class _Chunks:
    """The chunks of an answer, and our words when they end too early."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._content: Any = response.content
        self._failure: BaseException | None = None

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            if self._failure is not None:
                raise self._failure
            chunk: bytes = await self._content.read(CHUNK)
        except _FAILURES as error:
            chunk = self._left(error)
            if not chunk:
                raise _translated(error, True) from _without_key(error)
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def _left(self, failure: BaseException) -> bytes:
        """Return what came before the failure: aiohttp keeps it back, and a download can be gone on with after it."""
        again, self._failure = self._failure is not None, failure
        if again:
            return b""
        self._content.set_exception(None)
        try:
            rest: bytes = self._content.read_nowait()
        except _FAILURES:  # the time is up
            return b""
        return rest


def _closing(response: aiohttp.ClientResponse, upload: Upload | None) -> Callable[[], Any]:
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
