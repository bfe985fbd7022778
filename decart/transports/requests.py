"""The default transport: requests, one attempt at a time.

What it adds to `requests.Session`, and why:

- **No redirect is followed**: requests takes ``Authorization`` off when the host changes, but not ``X-API-KEY``.
- **No repeat inside**: the adapter's ``max_retries`` stays 0, a caller's session that would repeat a POST is refused,
  and a body is handed out once. (Even a GET-only ``Retry`` repeats a POST after some failures of TLS or of a proxy.)
- **The body tells whether it was touched**: `requests.ConnectionError` covers both "no connection" and "cut while
  sending", and only the second may have cost money.
- **Timeouts mean what they say**: urllib3 sends a body under the *connect* timeout, and lets a server that drips bytes
  go on for ever, so the connections of our own session ask before each wait how long it may take.
- **Proxies and CA bundles of the environment** are looked up once per origin: ``Session.send`` does not apply them, and
  looking them up walks through the whole environment each time.
- **A child process gets a session of its own**: two processes on one socket would read each other's answers.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from ..errors import InvalidInputError, TransportError
from .abort import aborting
from .base import CHUNK, PIECE, Body, HttpRequest, HttpResponse, SystemClock, Timeout, origin
from .failures import causes, failure, without_key

POOL = 32
"""Connections kept open per origin; more threads than that work, and open connections of their own for the time."""

_NO_CONNECTION = (
    requests.exceptions.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.SSLError,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.LocationValueError,
)
_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError)


class _Limits:
    """How long one exchange, begun now, may wait for the other side."""

    def __init__(self, timeout: Timeout) -> None:
        self._read = timeout.read
        self._ends = float("inf") if timeout.total is None else time.monotonic() + timeout.total
        self._abort = aborting.get()

    def allow(self, sock: socket.socket) -> None:
        """Give the next wait on a socket its time, and let it be ended from outside."""
        sock.settimeout(self.left())
        if self._abort is not None:
            self._abort.waits_on(sock)

    def over(self) -> None:
        """Say that the wait is over, so that nobody shuts a socket that another exchange may have by then."""
        if self._abort is not None:
            self._abort.waits_no_more()

    def left(self) -> float:
        """Return the seconds that the next wait may take."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole exchange is up")
        return min(self._read, left)


_limits: ContextVar[_Limits] = ContextVar("_limits")
"""Those of the exchange under way in this thread: urllib3 hands its connections nothing but a number."""


class _LimitedFile(io.RawIOBase):
    """What an answer is read from."""

    def __init__(self, file: io.RawIOBase, sock: socket.socket) -> None:
        self._file, self._sock, self._limits = file, sock, _limits.get()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._limits.allow(self._sock)
        try:
            return self._file.readinto(buffer)
        finally:
            self._limits.over()

    def close(self) -> None:
        self._file.close()
        super().close()


class _LimitedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_LimitedFile(self.fp.detach(), sock))


class _Limited(HTTPConnection):
    response_class = _LimitedResponse

    def send(self, data: Any) -> None:  # of urllib3 come bytes, no more than a chunk of ours
        for start in range(0, len(data), PIECE):
            limits = _limits.get()
            if self.sock is not None:  # else it connects first, within the connect timeout
                limits.allow(self.sock)
            try:
                super().send(data[start : start + PIECE])
            except ConnectionResetError as error:  # an answer may be there already, as to a body that is too large:
                raise BrokenPipeError(*error.args) from error  # after this, every version of urllib3 looks for it
            finally:
                limits.over()


class _LimitedTLS(_Limited, HTTPSConnection):
    pass


class _Adapter(HTTPAdapter):
    """An adapter that repeats nothing and whose connections keep the limits of the exchange."""

    connections = {HTTPConnection: _Limited, HTTPSConnection: _LimitedTLS}

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = self.connections.get(pool.ConnectionCls, pool.ConnectionCls)  # not those of SOCKS
        return pool


def _own_session() -> requests.Session:
    """Return a session that keeps nothing between calls."""
    session = requests.Session()
    session.headers.clear()
    session.trust_env = False  # the environment is applied by the transport, once per origin
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(pool_maxsize=POOL, max_retries=0))
    return session


class _Once:
    """A request body that remembers whether any of it was asked for, and cannot be sent twice."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.touched = False

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes]:
        if self.touched:
            raise TransportError(
                "The connection broke off, and the session's adapter was kept from sending it all again."
            )
        self.touched = True
        yield from self._body


class RequestsTransport(SystemClock):
    """Send through requests. Safe to share between threads, and across ``fork``.

    Args:
        session: A session of your own, for its adapters, headers, proxies or certificates. It is never closed here.
            One that would repeat a POST by itself is refused, since that could bill twice. Timeouts are then as your
            adapters keep them: those of requests send under the connect timeout.

    Raises:
        InvalidInputError: The session would repeat a POST.
    """

    def __init__(self, session: requests.Session | None = None) -> None:
        if session is not None:
            _refuse_repeats(session)
        self._given = session
        self._lock = threading.Lock()
        self._start()

    def __repr__(self) -> str:
        return "RequestsTransport()" if self._given is None else "RequestsTransport(session=...)"

    def _start(self) -> None:
        self._session: requests.Session = self._given or _own_session()
        self._environment: dict[str, dict[str, Any]] = {}
        self._process = os.getpid()  # last: it is what tells other threads that the rest is ready

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt; see `decart.transports.base.Transport`."""
        session = self._session_of_this_process()
        body = _Once(request.body) if request.body is not None else None
        limits = _Limits(timeout)
        _limits.set(limits)
        try:
            prepared = session.prepare_request(
                requests.Request(request.method, request.url, headers=dict(request.headers), data=body)
            )
            location: dict[str, str] = {}
            prepared.hooks["response"].append(lambda response, **_: _take_location(response, location))
            response = session.send(
                prepared,
                stream=True,
                allow_redirects=False,
                # requests hands urllib3's own Timeout on, though its type does not say so
                timeout=urllib3.Timeout(connect=timeout.connect, read=timeout.read, total=timeout.total),  # type: ignore[arg-type]
                **self._settings_for(session, request.url),
            )
        except _FAILURES as error:
            raise _translated(error, touched=body.touched if body is not None else None) from without_key(error)
        return HttpResponse(
            response.status_code, {**response.headers, **location}, _chunks(response, limits), response.close
        )

    def close(self) -> None:
        """Close the connections of this transport's own session; a caller's session is left alone."""
        if self._given is None:
            self._session.close()

    def _session_of_this_process(self) -> requests.Session:
        if self._process != os.getpid():
            with self._lock:
                if self._process != os.getpid():
                    self._leave_parent()
        return self._session

    def _leave_parent(self) -> None:
        """Begin anew in a forked child. The parent's sockets are let go of here; they stay open over there."""
        self._session.close()
        self._start()

    def _settings_for(self, session: requests.Session, url: str) -> dict[str, Any]:
        """Return proxies, CA bundle and client certificate for the origin of ``url``."""
        key = origin(url)
        if key not in self._environment:
            self._environment[key] = environment_settings(url, requests.Session() if self._given is None else session)
        return self._environment[key]


def environment_settings(url: str, session: requests.Session) -> dict[str, Any]:
    """Return proxies, CA bundle and client certificate for a URL, as the environment and the session have them."""
    settings = session.merge_environment_settings(url, {}, True, None, None)
    return {name: settings[name] for name in ("proxies", "verify", "cert")}


def _take_location(response: requests.Response, kept: dict[str, str]) -> None:
    """Take ``Location`` off an answer: told not to follow it, requests still looks where it leads, and may trip."""
    if "location" in response.headers:
        kept["location"] = response.headers.pop("location")


def _chunks(response: requests.Response, limits: _Limits) -> Iterator[bytes]:
    try:
        for chunk in response.iter_content(CHUNK):
            yield chunk
            limits.left()
    except _FAILURES as error:
        raise _translated(error, touched=True) from without_key(error)


def _refuse_repeats(session: requests.Session) -> None:
    for adapter in session.adapters.values():
        retries = getattr(adapter, "max_retries", None)
        if not isinstance(retries, urllib3.Retry) or not (
            retries.total or retries.read or retries.status or retries.other
        ):
            continue
        if not retries.allowed_methods or "POST" in {method.upper() for method in retries.allowed_methods}:
            raise InvalidInputError(
                "session: its adapter repeats POST requests by itself (max_retries), which could bill a job twice; "
                "leave POST out of allowed_methods. This library repeats what is safe to repeat."
            )


def _translated(error: BaseException, *, touched: bool | None) -> TransportError:
    """Turn a failure of requests or urllib3 into one of ours; ``touched`` is None for a request without a body.

    With a body, ``touched`` alone tells whether there was a connection: urllib3 says "unable to connect to proxy" also
    when the proxy hangs up after it has taken the whole body.
    """
    behind = list(causes(error))
    unsendable = not isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError))
    if touched is None:
        touched = not (unsendable or any(isinstance(cause, _NO_CONNECTION) for cause in behind))
    name = (str(error) if unsendable else "") or type(behind[-1]).__name__
    return failure(error, sent=touched, silent=(requests.Timeout, urllib3.exceptions.TimeoutError), name=name)
