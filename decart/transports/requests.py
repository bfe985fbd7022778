"""The default transport: a `requests.Session`, one ``Session.send`` per exchange.

What hooks into requests works: `responses`, requests-mock, VCR, OpenTelemetry, Sentry, an adapter of your own. What
this transport takes care of:

- **No redirect is followed.** requests removes ``Authorization`` when the host changes, but not ``X-API-KEY``.
- **No retry inside**: ``max_retries`` is 0, a session that would repeat a POST is refused, and a body is sent once.
- **No login from ``~/.netrc``, no cookies**: the API key is the only credential.
- **Interrupts and forks**: see `decart.transports.idle`; a child process gets a session of its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from weakref import WeakSet

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from ..errors import InvalidInputError, TransportError
from .base import CHUNK, FRESH, HttpRequest, HttpResponse, Limit, SystemClock, Timeout, origin
from .body import SentBody
from .failures import translate
from .forks import begin_anew_in_children
from .idle import IdleConnections, keep_safely
from .routes import Route, find_route, merged_settings
from .urllib3 import FAILURES, NOT_CONNECTED, NOT_POSSIBLE, check_head, read_chunks, times_of, unparsed_heads

_FAILURES = (requests.RequestException, *FAILURES)
_NOT_CONNECTED = (
    requests.ConnectTimeout,
    requests.exceptions.ProxyError,
    requests.exceptions.SSLError,
    *NOT_CONNECTED,
)
_NOT_POSSIBLE = (
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    *NOT_POSSIBLE,
)


class RequestsTransport(SystemClock):
    """Send through requests. Safe to share between threads, and across ``fork``.

    Args:
        session: A session of your own, for its adapters, headers, proxies or certificates; later changes of it count.
            It is not closed with the transport, but its idle connections are closed before a submit if they may be
            older than a few seconds. A session that would repeat a POST by itself is refused: that could bill twice.

    Raises:
        InvalidInputError: The session would repeat a POST.

    Example:
        >>> session = requests.Session()
        >>> session.proxies["https"] = "http://proxy.example:3128"
        >>> client = DecartClient(api_key="your-api-key", transport=RequestsTransport(session))
    """

    def __init__(self, session: requests.Session | None = None) -> None:
        if session is not None:
            if not isinstance(session, requests.Session):
                raise InvalidInputError(f"session must be a requests.Session, not {type(session).__name__}.")
            _refuse_repeats(session)
        self._given = session
        self._inherited: list[object] = []
        self._start()
        begin_anew_in_children(self)

    def __repr__(self) -> str:
        return "RequestsTransport()" if self._given is None else "RequestsTransport(session=...)"

    def _start(self) -> None:
        """Begin with no connections."""
        self._routes: dict[str, Route] = {}
        self._kept: WeakSet[IdleConnections] = WeakSet()  # with their pools, which urllib3 may forget
        self._session = self._given or _new_session()
        self._fresh_since = time.monotonic()

    def after_fork(self) -> None:
        """Leave the parent's connections alone, in a child."""
        if self._given is None:
            self._inherited.append((self._session, list(self._kept)))  # closing could wait for a lock of the parent
        else:
            for adapter in self._given.adapters.values():
                _close_connections(adapter)
        self._start()

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt; see `decart.transports.base.Transport`."""
        limit = Limit(timeout)
        body = None if request.body is None else SentBody(request.body, request.may_start)
        times: Any = times_of(timeout)
        unparsed_heads.begin()
        try:
            response = self._respond(request, body, times, limit)
            if isinstance(response.raw, urllib3.BaseHTTPResponse):  # or else a mock's, or of an adapter of no HTTP
                check_head(response.raw, request.url)
        except _FAILURES as error:
            failure = _translated(error, request.url, None if body is None else body.touched)
        else:
            close = getattr(response.raw, "close", lambda: None)  # an adapter or a mock may give no raw response
            return HttpResponse(response.status_code, _headers(response), _chunks(response, limit), close)
        if body is not None and body.error is not None:
            raise body.error.with_traceback(None)  # whose frames may hold the key
        raise failure  # here, so that the library's exception, which may hold the key, is not its context

    def _respond(self, request: HttpRequest, body: SentBody | None, times: Any, limit: Limit) -> requests.Response:
        """Return the response, also if a hook of the session calls ``raise_for_status``."""
        try:
            if self._given is None:
                return self._send_prepared(request, body, times, limit)
            return self._send_through(self._given, request, body, times, limit)
        except requests.HTTPError as error:
            if error.response is None:
                raise
            return error.response

    def _send_prepared(
        self, request: HttpRequest, body: SentBody | None, times: Any, limit: Limit
    ) -> requests.Response:
        """Send through our own session."""
        place = origin(request.url)
        prepared = _prepare(request, body)
        if place not in self._routes:
            self._routes[place] = self._new_route(prepared)
        route = self._routes[place]
        limit.check(sent=False)
        try:
            return self._session.send(prepared, allow_redirects=False, timeout=times, **route.settings)
        except BaseException:
            self._routes.pop(place, None)  # an interrupt can make requests forget its pool and open a new one
            raise

    def _new_route(self, prepared: requests.PreparedRequest) -> Route:
        """Find the route to an origin, and have its pool keep connections safely."""
        assert prepared.url is not None
        route = find_route(prepared.url)
        adapter: Any = self._session.adapters[f"{prepared.url.partition(':')[0].lower()}://"]
        settings = {name: route.settings[name] for name in ("verify", "proxies", "cert")}
        pool = adapter.get_connection_with_tls_context(prepared, **settings)
        self._kept.add(keep_safely(pool))
        return route

    def _send_through(
        self, session: requests.Session, request: HttpRequest, body: SentBody | None, times: Any, limit: Limit
    ) -> requests.Response:
        """Send through a caller's session, with all that it adds."""
        if body is not None and time.monotonic() - self._fresh_since > FRESH:
            _close_idle(session, request.url)
            self._fresh_since = time.monotonic()
        no_netrc_login = None if session.auth else (lambda prepared: prepared)
        prepared = session.prepare_request(
            requests.Request(request.method, request.url, headers=request.headers, data=body, auth=no_netrc_login)
        )
        prepared.hooks["response"].append(_take_location)
        settings = merged_settings(session, request.url)
        limit.check(sent=False)
        return session.send(prepared, allow_redirects=False, timeout=times, **settings)

    def close(self) -> None:
        """Close the connections of this transport's own session; a caller's session is left alone."""
        if self._given is None:
            session, kept = self._session, self._kept
            self._start()
            session.close()
            for connections in kept:
                connections.close()


def _close_idle(session: requests.Session, url: str) -> None:
    """Close the idle connections that a caller's session has for a URL; it goes on with new ones."""
    try:
        _close_connections(session.get_adapter(url))
    except requests.RequestException:
        return  # there is no adapter, as sending will tell


def _close_connections(adapter: object) -> None:
    if isinstance(adapter, HTTPAdapter):
        adapter.close()


def _new_session() -> requests.Session:
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for prefix in ("http://", "https://"):
        session.mount(prefix, HTTPAdapter(max_retries=0, pool_block=False))
    return session


def _prepare(request: HttpRequest, body: SentBody | None) -> requests.PreparedRequest:
    """Prepare a request from its parts, none of which needs to be encoded or merged."""
    prepared = requests.PreparedRequest()
    prepared.method, prepared.url = request.method, request.url
    prepared.headers = CaseInsensitiveDict(request.headers)
    if body is not None:
        prepared.body = body  # type: ignore[assignment]  # an iterable of bytes, which its type leaves out
        prepared.headers["Content-Length"] = str(len(body))
    prepared.hooks = {"response": [_take_location]}
    return prepared


def _take_location(response: requests.Response, **kwargs: object) -> None:
    """Hide ``Location`` from requests: even if told not to follow it, it looks where it leads, and may stumble."""
    response.headers.pop("location", None)


def _headers(response: requests.Response) -> dict[str, str]:
    """Return the headers, with the one that `_take_location` hid."""
    location = response.raw.headers.get("location") if isinstance(response.raw, urllib3.BaseHTTPResponse) else None
    return {**response.headers} if location is None else {**response.headers, "location": location}


def _chunks(response: requests.Response, limit: Limit) -> Iterator[bytes]:
    """Yield the body as it arrives, decoded."""
    translated = partial(_translated, url=response.url, touched=True)
    if isinstance(response.raw, urllib3.BaseHTTPResponse) and not response.raw.closed:
        yield from read_chunks(response.raw, limit, translated)
        return
    try:  # what a hook has read already, or comes from an adapter that is not for HTTP, or from a mock
        yield from [response.content] if response.raw is None else response.iter_content(CHUNK)
    except _FAILURES as error:
        failure = translated(error)
    else:
        return
    raise failure


def _translated(error: BaseException, url: str, touched: bool | None) -> TransportError:
    return translate(error, url, touched=touched, not_connected=_NOT_CONNECTED, not_possible=_NOT_POSSIBLE)


def _refuse_repeats(session: requests.Session) -> None:
    for adapter in session.adapters.values():
        retries = getattr(adapter, "max_retries", None)
        if not isinstance(retries, urllib3.Retry) or not (
            retries.total or retries.read or retries.status or retries.other
        ):
            continue
        if not retries.allowed_methods or "POST" in {method.upper() for method in retries.allowed_methods}:
            raise InvalidInputError(
                "session: its adapter retries POST requests by itself (max_retries), which could bill a job twice; "
                "leave POST out of allowed_methods. The SDK retries what is safe to retry."
            )
