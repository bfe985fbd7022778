"""The default transport: requests, one attempt at a time.

What it adds to `requests.Session`, and why:

- **No redirect is followed**: requests takes ``Authorization`` off when the host changes, but not ``X-API-KEY``.
- **No repeat inside**: the adapter's ``max_retries`` stays 0, and a caller's session that would repeat a POST is refused.
- **The body tells whether it was touched**: `requests.ConnectionError` covers both "no connection" and "cut while
  sending", and only the second may have cost money.
- **Proxies and CA bundles of the environment** are looked up once per origin: ``Session.send`` does not apply them, and
  looking them up walks through the whole environment each time.
- **A child process gets a session of its own**: two processes on one socket would read each other's answers.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ..errors import ConnectError, InvalidInputError, TransportError, TransportTimeout
from .base import CHUNK, Body, HttpRequest, HttpResponse, SystemClock, Timeout, origin

POOL = 32
"""Connections kept open per origin; more threads than that work, and open connections of their own for the time."""

_NO_CONNECTION = (
    requests.exceptions.ConnectTimeout,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
)
_FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError)


class _OwnSession(requests.Session):
    """A session that keeps nothing between calls and never looks where a redirect leads."""

    def __init__(self) -> None:
        super().__init__()
        self.headers.clear()
        self.trust_env = False  # the environment is applied by the transport, once per origin
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self.mount(scheme, HTTPAdapter(pool_maxsize=POOL, max_retries=0))

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _Watched:
    """A request body that remembers whether any of it was asked for."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.touched = False

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._body:
            self.touched = True
            yield chunk


class RequestsTransport(SystemClock):
    """Send through requests. Safe to share between threads, and across ``fork``.

    Args:
        session: A session of your own, for its adapters, headers, proxies or certificates. It is never closed here.
            One that would repeat a POST by itself is refused, since that could bill twice.

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
        self._process = os.getpid()
        self._session: requests.Session = self._given or _OwnSession()
        self._environment: dict[str, dict[str, Any]] = {}

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt; see `decart.transports.base.Transport`."""
        session = self._session_of_this_process()
        body = _Watched(request.body) if request.body is not None else None
        ends = None if timeout.total is None else self.now() + timeout.total
        try:
            prepared = session.prepare_request(
                requests.Request(request.method, request.url, headers=dict(request.headers), data=body)
            )
            response = session.send(
                prepared,
                stream=True,
                allow_redirects=False,
                # requests hands urllib3's own Timeout on, though its type does not say so
                timeout=urllib3.Timeout(connect=timeout.connect, read=timeout.read, total=timeout.total),  # type: ignore[arg-type]
                **self._settings_for(session, request.url),
            )
        except _FAILURES as error:
            raise _translated(error, touched=body.touched if body is not None else None) from _without_key(error)
        return HttpResponse(response.status_code, response.headers, self._chunks(response, ends), response.close)

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
        if self._given is not None:
            self._given.close()
        self._start()

    def _settings_for(self, session: requests.Session, url: str) -> dict[str, Any]:
        """Return proxies, CA bundle and client certificate for the origin of ``url``."""
        key = origin(url)
        if key not in self._environment:
            lookup = requests.Session() if self._given is None else session
            settings = lookup.merge_environment_settings(url, {}, True, None, None)
            self._environment[key] = {name: settings[name] for name in ("proxies", "verify", "cert")}
        return self._environment[key]

    def _chunks(self, response: requests.Response, ends: float | None) -> Iterator[bytes]:
        try:
            for chunk in response.iter_content(CHUNK):
                yield chunk
                if ends is not None and self.now() > ends:
                    raise TransportTimeout("The answer took longer than the time left for it; try again.")
        except _FAILURES as error:
            raise _translated(error, touched=True) from _without_key(error)


def _refuse_repeats(session: requests.Session) -> None:
    for adapter in session.adapters.values():
        retries = getattr(adapter, "max_retries", None)
        if not isinstance(retries, urllib3.Retry) or not (retries.total or retries.read or retries.status or retries.other):
            continue
        if not retries.allowed_methods or "POST" in {method.upper() for method in retries.allowed_methods}:
            raise InvalidInputError(
                "session: its adapter repeats POST requests by itself (max_retries), which could bill a job twice; "
                "leave POST out of allowed_methods. This library repeats what is safe to repeat."
            )


def _without_key(error: BaseException) -> BaseException:
    """Take the request, and with it the API key, off an exception that stays visible as ``__cause__``."""
    if isinstance(error, requests.RequestException):
        error.request = error.response = None
    return error


def _translated(error: BaseException, *, touched: bool | None) -> TransportError:
    """Turn a failure of requests or urllib3 into one of ours; ``touched`` is None for a request without a body."""
    causes = list(_causes(error))
    why = next((cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror), causes[-1].__class__.__name__)
    if touched is False or any(isinstance(cause, _NO_CONNECTION) for cause in causes):
        return ConnectError(
            f"No connection to the service ({why}); nothing was sent. Check the network, the base URL and the proxy settings.",
            None, None, False,
        )  # fmt: skip
    if any(isinstance(cause, (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)) for cause in causes):
        return TransportTimeout(f"The service went silent ({why}); the network or the service is at fault. Try again later.")
    return TransportError(f"The connection broke off ({why}); the network or the service is at fault. Try again later.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk from an exception to what is behind it, however the libraries have wrapped it."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        error = todo.pop(0)
        if id(error) not in seen:
            seen.add(id(error))
            yield error
            inner = [*error.args, getattr(error, "reason", None), error.__cause__, error.__context__]
            todo += [cause for cause in inner if isinstance(cause, BaseException)]
