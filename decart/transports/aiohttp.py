"""aiohttp, for programs that run on an event loop (extra ``async``).

This transport adds the following to aiohttp:

- **One session per running loop**, created when it is first needed: a session belongs to its loop, and one client may
  be used in several `asyncio.run` calls. It is closed with the transport, or when its loop shuts down.
- **No redirects, cookies or netrc logins**, and the proxies and CA bundle of the environment, as with requests.
- **One attempt**: aiohttp would retry a GET by itself if a pooled connection turns out to be closed.
- **Files are read in threads**, and the exchange is aborted if the server does not accept a block of the body in time.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any
from weakref import WeakSet

import attrs

from ..errors import ConfigurationError, TransportError
from ..extras import require
from .base import CHUNK, FRESH, AsyncHttpResponse, HttpRequest, Timeout, place_of, reset_after_fork
from .body import Decoder, Upload, catch_up
from .failures import Kinds, failed_exchange, failed_read
from .routes import Route, find_route
from .timing import LoopClock, total_exceeded

try:
    import aiohttp
    import yarl
except ImportError:
    require("async", "aiohttp", "yarl")
    raise

_KINDS = Kinds(
    (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, aiohttp.ConnectionTimeoutError, ssl.SSLError),
    (aiohttp.InvalidURL,),
)
_FAILURES = (aiohttp.ClientError, OSError, ValueError)  # TimeoutError is an OSError

LONGEST_LINE = 64 * 1024
"""The longest status line or header that is accepted, in bytes: the limit of the other transports."""


@attrs.frozen(eq=False)
class _LoopState:
    """The state of the transport in one event loop."""

    session: aiohttp.ClientSession
    responses: WeakSet[aiohttp.ClientResponse]
    keeper: AsyncGenerator[None]  # closes the session and the open responses when it is closed


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
        reset_after_fork(self)

    def __repr__(self) -> str:
        return "AiohttpTransport()"

    def _start(self) -> None:
        """Start with no sessions."""
        self._states: dict[asyncio.AbstractEventLoop, _LoopState] = {}
        self._routes: dict[str, Route] = {}
        self._finding = threading.Lock()

    def after_fork(self) -> None:
        """In a forked child, keep the parent's sessions: closing them would disturb the event loop of the parent.

        They must not warn that they were not closed when the child exits; a connector has no public way to prevent it.
        """
        self._inherited.append(self._states)
        for session in [state.session for state in self._states.values() if not state.session.closed]:
            connector: Any = session.connector
            connector._closed = True
            session.detach()
        self._start()

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        """Make one attempt; see `decart.transports.base.AsyncTransport`."""
        ends = None if timeout.total is None else time.monotonic() + timeout.total
        upload = None if request.body is None else Upload(request.body, request.may_start, timeout.connect)
        try:
            state = await self._state_of_this_loop()
            route = await self._route_to(request.url)
            if upload is not None:
                await catch_up()  # the loop may have been blocked while the server closed pooled connections
            if ends is not None and time.monotonic() >= ends:
                raise total_exceeded(timeout, sent=False)
            raw = await _exchange(state.session, request, timeout, route, upload)
        except _FAILURES as error:
            if upload is not None:
                await upload.settle()  # a retry may start and read the same file
            failure = failed_exchange(error, request.url, timeout, None if upload is None else upload.body, _KINDS)
        else:
            state.responses.add(raw)
            chunks = _Chunks(raw, upload, request.url, timeout)
            response = AsyncHttpResponse(raw.status, raw.headers, chunks, chunks.aclose, chunks.salvage)
            if (flaw := response.headers.flaw) is None:
                return response
            await chunks.aclose()
            failure = TransportError(f"{place_of(request.url)} sent a malformed response ({flaw}).")
        raise failure  # outside the handler: the library's exception may hold the key, and must not be chained

    async def aclose(self) -> None:
        """Close the connections of this loop, and those of other loops that are running."""
        states, self._states = self._states, {}
        for loop, state in states.items():
            if loop is asyncio.get_running_loop():
                await state.keeper.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(state.keeper.aclose(), loop))

    async def _state_of_this_loop(self) -> _LoopState:
        loop = asyncio.get_running_loop()
        state = self._states.get(loop)
        if state is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=FRESH),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                auto_decompress=False,
                max_line_size=LONGEST_LINE,
                max_field_size=LONGEST_LINE,
            )
            session._retry_connection = False  # there is no public name for this
            responses: WeakSet[aiohttp.ClientResponse] = WeakSet()
            state = _LoopState(session, responses, _until_the_loop_ends(session, responses))
            self._states = {loop: state, **{k: v for k, v in self._states.items() if not k.is_closed()}}
            await anext(state.keeper)
        return state

    async def _route_to(self, url: str) -> Route:
        """Return the route to an origin; a connection is reused only with the same TLS context, so routes are kept."""
        key = "/".join(url.split("/", 3)[:3])
        if (route := self._routes.get(key)) is not None:
            return route
        return await asyncio.to_thread(self._find_route, key, url)

    def _find_route(self, key: str, url: str) -> Route:
        """Find the route to an origin, in a thread: loading a CA bundle takes a while."""
        with self._finding:  # many tasks may need it at once
            route = self._routes[key] = self._routes.get(key) or _new_route(url)
            return route


def _new_route(url: str) -> Route:
    """Return the route to an origin, with its CA bundle loaded."""
    route = find_route(url)
    if (route.proxy or "").startswith("socks"):
        raise ConfigurationError(
            "aiohttp cannot use the SOCKS proxy of the environment; nothing was sent. Use transport='requests'."
        )
    route.tls  # noqa: B018 - loads the CA bundle
    return route


async def _until_the_loop_ends(
    session: aiohttp.ClientSession, responses: WeakSet[aiohttp.ClientResponse]
) -> AsyncGenerator[None]:
    """Close a session and its open responses when this generator is closed, as the loop does when it shuts down."""
    try:
        yield
    finally:
        for response in list(responses):
            response.close()
        await session.close()


async def _exchange(
    session: aiohttp.ClientSession, request: HttpRequest, timeout: Timeout, route: Route, upload: Upload | None
) -> aiohttp.ClientResponse:
    """Send a request, and wait for the headers of its response."""
    headers = {"Accept-Encoding": "identity", **request.headers}
    if upload is not None:
        headers["Content-Length"] = str(len(upload.body))
    begin = session.request(
        request.method,
        yarl.URL(request.url, encoded=True),
        headers=headers,
        data=upload,
        allow_redirects=False,
        proxy=route.proxy,
        ssl=route.tls or True,
        timeout=_times_of(timeout),
        read_bufsize=2**16 if upload is None else 1,  # for a submit, parse each byte that arrives before an error
    )
    if upload is None:
        return await begin
    async with asyncio.timeout(None) as upload.stall:
        try:
            return await begin
        finally:
            upload.stall = None  # the response has arrived, though the body may not have been sent completely


@lru_cache(maxsize=64)
def _times_of(timeout: Timeout) -> aiohttp.ClientTimeout:
    """Convert a timeout to that of aiohttp, which would round it to whole seconds."""
    return aiohttp.ClientTimeout(
        total=timeout.total, connect=timeout.connect, sock_read=timeout.read, ceil_threshold=float("inf")
    )


class _Chunks(AsyncIterator[bytes]):
    """The chunks of a response, decoded."""

    def __init__(self, response: aiohttp.ClientResponse, upload: Upload | None, url: str, timeout: Timeout) -> None:
        self._response, self._upload, self._url, self._timeout = response, upload, url, timeout
        self._decoder = Decoder.of(response.headers, url)
        self._loop = asyncio.get_running_loop()
        self._failure: TransportError | None = None
        self._pieces: Iterator[bytes] = iter(())

    def salvage(self) -> bytes:
        """Return the beginning of a body that could not be decoded."""
        return b"" if self._decoder is None else self._decoder.salvage()

    def __del__(self) -> None:
        """Close a response that was not read to its end; otherwise aiohttp keeps it alive as long as its connection."""
        try:
            elsewhere = self._loop.is_running() and asyncio.get_running_loop() is not self._loop
        except RuntimeError:  # collected in a thread without a loop
            elsewhere = True
        if elsewhere:
            self._loop.call_soon_threadsafe(self._response.close)
        else:
            self._response.close()

    async def __anext__(self) -> bytes:
        if self._decoder is None:
            return await self._read()
        while not (piece := next(self._pieces, b"")):
            try:
                self._pieces = self._decoder.decode(await self._read())
            except StopAsyncIteration:
                self._decoder.finish()
                raise
        return piece

    async def _read(self) -> bytes:
        """Read the next bytes as they are received.

        Raises:
            StopAsyncIteration: There are no more.
        """
        chunk = b""
        if self._failure is None:
            content: Any = self._response.content
            try:
                async with asyncio.timeout(self._timeout.read):  # aiohttp's own one fails after a malformed chunk
                    chunk = await content.read(CHUNK)
            except (*_FAILURES, RuntimeError) as error:  # aiohttp raises it for a connection that it closed itself
                self._failure = failed_read(error, self._url, self._timeout)
                content.set_exception(None)  # aiohttp keeps what arrived before, and a download can resume after it
                with suppress(*_FAILURES):  # the total timeout has expired
                    chunk = content.read_nowait()
        if chunk:
            return chunk
        raise StopAsyncIteration if self._failure is None else self._failure

    async def aclose(self) -> None:
        """Close the connection unless the response was read to its end, and wait until no thread reads the body."""
        self._response.close()
        if self._upload is not None:
            await self._upload.settle()
