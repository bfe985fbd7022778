"""aiohttp, for programs that live on an event loop (extra ``async``).

What this transport takes care of:

- **One session per running loop**, made when first needed: a session belongs to its loop, and one client may see one
  `asyncio.run` after another. It is closed with the transport, or at the latest when its loop shuts down.
- **No redirects, cookies, netrc logins**, and the proxies and CA bundle of the environment, as with requests.
- **One attempt**: aiohttp would repeat a GET by itself if a kept connection turns out to be closed.
- **Files are read in threads**, and a server that does not take a block of the body in time is given up.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from typing import Any
from weakref import WeakSet

import attrs

from ..errors import ConfigurationError, TransportError
from ..extras import require
from .base import CHUNK, FRESH, AsyncHttpResponse, HttpRequest, Limit, Timeout, origin
from .failures import flaw_of_head, translate, unreliable
from .forks import begin_anew_in_children
from .loop import LoopClock
from .routes import Route, find_route
from .upload import Upload, catch_up

try:
    import aiohttp
    import yarl
except ImportError:
    require("async", "aiohttp", "yarl")
    raise

_NOT_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    ssl.SSLError,
)
_NOT_POSSIBLE = (aiohttp.InvalidURL,)
_FAILURES = (aiohttp.ClientError, OSError, ValueError)  # TimeoutError is an OSError


LONGEST_LINE = 64 * 1024
"""Bytes of a status line or header that are accepted: as many as the other transports accept."""


@attrs.frozen
class _Way:
    """The route to an origin, and the TLS context that its connections share."""

    route: Route
    tls: ssl.SSLContext | bool


@attrs.frozen(eq=False)
class _Home:
    """What the transport has in one event loop: a session, what closes it, open responses, and a lock for routes."""

    session: aiohttp.ClientSession
    keeper: AsyncGenerator[None, None]
    responses: WeakSet[aiohttp.ClientResponse]
    finding: asyncio.Lock


class AiohttpTransport(LoopClock):
    """Send through aiohttp. It may be used from many tasks, from one event loop after another, and by several at once.

    Raises:
        MissingExtraError: On import, if aiohttp is not installed.

    Example:
        >>> client = AsyncDecartClient(api_key="your-api-key", transport=AiohttpTransport())
    """

    def __init__(self) -> None:
        self._inherited: list[object] = []
        self._start()
        begin_anew_in_children(self)

    def __repr__(self) -> str:
        return "AiohttpTransport()"

    def _start(self) -> None:
        """Begin with no sessions."""
        self._homes: dict[asyncio.AbstractEventLoop, _Home] = {}
        self._ways: dict[str, _Way] = {}

    def after_fork(self) -> None:
        """Keep the parent's sessions for good, in a child: closing them would end what its loop watches.

        They must not complain that nobody closed them when the child ends; a connector has no public way to be told.
        """
        self._inherited.append(self._homes)
        for session in [home.session for home in self._homes.values() if not home.session.closed]:
            connector: Any = session.connector
            connector._closed = True
            session.detach()
        self._start()

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        """Make one attempt; see `decart.transports.base.AsyncTransport`."""
        limit = Limit(timeout)
        upload = None if request.body is None else Upload(request.body, request.may_start)
        try:
            home = await self._home_of_this_loop()
            way = await self._way_to(request.url, home)
            if upload is not None:
                await catch_up()  # the loop may have stood still while kept connections were closed
            limit.check(sent=False)
            response = await _exchange(home.session, request, timeout, way, upload)
        except _FAILURES as error:
            if upload is not None:
                await upload.settle()  # a retry may begin, and read the same file
            failure = _translated(error, request.url, None if upload is None else upload.touched)
        else:
            flaw = flaw_of_head(response.headers)
            if flaw is None:
                home.responses.add(response)
                chunks = _Chunks(response, request.url)
                return AsyncHttpResponse(response.status, response.headers, chunks, _closing(response, upload))
            await _closing(response, upload)()
            failure = unreliable(request.url, flaw)
        if upload is not None and upload.error is not None:
            raise upload.error.with_traceback(None)  # whose frames may hold the key
        raise failure  # here, so that the library's exception, which may hold the key, is not its context

    async def aclose(self) -> None:
        """Close the connections of this loop, and those of other loops that are running."""
        homes, self._homes = self._homes, {}
        for loop, home in homes.items():
            if loop is asyncio.get_running_loop():
                await home.keeper.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(home.keeper.aclose(), loop))

    async def _home_of_this_loop(self) -> _Home:
        loop = asyncio.get_running_loop()
        home = self._homes.get(loop)
        if home is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=FRESH),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                max_line_size=LONGEST_LINE,
                max_field_size=LONGEST_LINE,
            )
            responses: WeakSet[aiohttp.ClientResponse] = WeakSet()
            session._retry_connection = False  # there is no public name for this
            home = _Home(session, _until_the_loop_ends(session, responses), responses, asyncio.Lock())
            self._homes = {loop: home, **{k: v for k, v in self._homes.items() if not k.is_closed()}}
            await home.keeper.__anext__()
        return home

    async def _way_to(self, url: str, home: _Home) -> _Way:
        place = origin(url)
        if place not in self._ways:
            async with home.finding:  # a hundred tasks may ask, and a CA bundle takes a while to load
                if place not in self._ways:
                    way = await asyncio.to_thread(_find_way, url)
                    self._ways.setdefault(place, way)  # a connection is reused only with the same TLS context
        return self._ways[place]


async def _until_the_loop_ends(
    session: aiohttp.ClientSession, responses: WeakSet[aiohttp.ClientResponse]
) -> AsyncGenerator[None, None]:
    """Close a session and its open responses when this generator is closed, which the loop does when it shuts down."""
    try:
        yield
    finally:
        for response in list(responses):
            response.close()
        await session.close()


def _find_way(url: str) -> _Way:
    route = find_route(url)
    if route.proxy is not None and route.proxy.startswith("socks"):
        raise ConfigurationError(
            "aiohttp cannot use the SOCKS proxy of the environment; nothing was sent. Use transport='requests'."
        )
    secure = url.startswith("https:") or (route.proxy or "").startswith("https:")
    return _Way(route, route.tls() if secure else True)


async def _exchange(
    session: aiohttp.ClientSession, request: HttpRequest, timeout: Timeout, way: _Way, upload: Upload | None
) -> aiohttp.ClientResponse:
    """Send a request, and wait for the headers of its response."""
    headers = {"Accept-Encoding": "identity", **request.headers}
    if upload is not None:
        headers["Content-Length"] = str(len(upload))
    times = aiohttp.ClientTimeout(
        total=timeout.total,
        connect=timeout.connect,
        sock_read=timeout.read,
        ceil_threshold=float("inf"),  # or it rounds to whole seconds
    )
    begin = session.request(
        request.method,
        yarl.URL(request.url, encoded=True),
        headers=headers,
        data=upload,
        allow_redirects=False,
        proxy=way.route.proxy,
        ssl=way.tls,
        timeout=times,
    )
    if upload is None:
        return await begin
    async with asyncio.timeout(None) as stall:
        upload.watch(stall, timeout.connect)
        try:
            return await begin
        finally:
            upload.watch(None, None)  # the response is there, though the body may still be on its way


class _Chunks:
    """The chunks of a response."""

    def __init__(self, response: aiohttp.ClientResponse, url: str) -> None:
        self._response, self._loop = response, asyncio.get_running_loop()
        self._content, self._url = response.content, url
        self._failure: TransportError | None = None

    def __aiter__(self) -> _Chunks:
        return self

    def __del__(self) -> None:
        """Close a response that was forgotten half-way; aiohttp itself keeps it alive for as long as its connection."""
        try:
            elsewhere = self._loop.is_running() and asyncio.get_running_loop() is not self._loop
        except RuntimeError:  # collected in a thread without a loop
            elsewhere = True
        if elsewhere:
            self._loop.call_soon_threadsafe(self._response.close)
        else:
            self._response.close()

    async def __anext__(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        try:
            chunk = await self._content.read(CHUNK)
        except _FAILURES as error:
            self._failure = _translated(error, self._url, touched=True)
            chunk = self._received()
        if chunk:
            return chunk
        if self._failure is None:
            raise StopAsyncIteration
        raise self._failure

    def _received(self) -> bytes:
        """Return what arrived before the failure: aiohttp holds it back, and a download can be resumed after it."""
        content: Any = self._content
        content.set_exception(None)
        try:
            rest: bytes = content.read_nowait()
        except _FAILURES:  # the total time is up
            return b""
        return rest


def _closing(response: aiohttp.ClientResponse, upload: Upload | None) -> Callable[[], Any]:
    async def aclose() -> None:
        response.close()  # does nothing to a connection whose response was read to its end
        if upload is not None:
            await upload.settle()

    return aclose


def _translated(error: BaseException, url: str, touched: bool | None) -> TransportError:
    return translate(error, url, touched=touched, not_connected=_NOT_CONNECTED, not_possible=_NOT_POSSIBLE)
