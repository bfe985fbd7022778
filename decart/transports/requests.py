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

import functools
import threading
from collections.abc import Iterator
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from ..errors import InvalidInputError
from . import trust
from .base import CHUNK, HttpRequest, HttpResponse, SystemClock, Timeout, place
from .connections import Limits, Once, limits
from .failures import without_key
from .pools import (
    FAILURES,
    LIBRARY,
    NO_CONNECTION,
    POOL,
    SILENT,
    respond,
    translated,
    translating,
    with_bounded_pools,
)
from .processes import OfThisProcess

_LIBRARY = (requests.RequestException, *LIBRARY)
_FAILURES = (*_LIBRARY, *FAILURES)
_translated = functools.partial(
    translated,
    library=_LIBRARY,
    no_connection=(
        requests.exceptions.ConnectTimeout,
        requests.exceptions.InvalidURL,
        requests.exceptions.SSLError,
        *NO_CONNECTION,
    ),
    silent=(requests.Timeout, *SILENT),
)


class _Adapter(HTTPAdapter):
    """An adapter that repeats nothing, finds the pool of an origin once, and keeps no cookies."""

    def __init__(self) -> None:
        super().__init__(pool_maxsize=POOL, max_retries=0, pool_block=True)
        self._pools: dict[str, Any] = {}
        self._finding = threading.Lock()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        with_bounded_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return with_bounded_pools(super().proxy_manager_for(*args, **kwargs))

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        key = place(request.url)
        if key not in self._pools:
            with self._finding:  # a hundred threads may ask, and a CA bundle takes a while to read
                self._pools[key] = self._pools.get(key) or self._pool(request, verify, proxies, cert)
        return self._pools[key]

    def _pool(self, request: Any, verify: Any, proxies: Any, cert: Any) -> Any:
        """Return a pool whose connections share what they trust; requests has each of them read it anew."""
        pool: Any = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
        super().cert_verify(pool, request.url, verify, cert)  # type: ignore[no-untyped-call]
        bundle = getattr(pool, "ca_certs", None) or getattr(pool, "ca_cert_dir", None)
        if bundle:
            pool.conn_kw["ssl_context"] = trust.context(bundle)
            pool.ca_certs = pool.ca_cert_dir = None
        return pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: that is done with each new pool."""

    def request_url(self, request: Any, proxies: Any) -> str:
        return super().request_url(request, proxies) if proxies else request.path_url

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.reason, response.raw = resp.status, resp.reason, resp
        response.headers = CaseInsensitiveDict(resp.headers)
        response.request, response.url = req, req.url
        return response

    def close(self) -> None:
        super().close()
        self.let_go()

    def let_go(self) -> None:
        """Close the connections without a lock: in a forked child, a thread of the parent may hold it."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()


class RequestsTransport(OfThisProcess, SystemClock):
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
        super().__init__()

    def __repr__(self) -> str:
        return "RequestsTransport()" if self._given is None else "RequestsTransport(session=...)"

    def _begin(self) -> None:
        self._session: requests.Session | _Adapter = self._given or _Adapter()
        self._environment: dict[str, dict[str, Any]] = {}

    def _leave(self) -> None:
        if isinstance(self._session, _Adapter):
            self._session.let_go()
        else:
            self._session.close()

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt; see `decart.transports.base.Transport`."""
        self._stay_in_this_process()
        session = self._session
        body = Once(request.body) if request.body is not None else None
        now = Limits(timeout)
        limits.set(now)
        settings: dict[str, Any] = {
            "stream": True,
            "timeout": urllib3.Timeout(connect=timeout.connect, read=timeout.read, total=timeout.total),
        }
        try:
            settings.update(self._settings_for(request.url))
            if isinstance(session, requests.Session):
                return _through_session(session, request, body, now, settings)
            response = session.send(_prepared(request, body), **settings)
        except _FAILURES as error:
            raise _translated(error, touched=body.touched if body is not None else None) from without_key(error)
        return respond(response.raw, _translated, response.close)

    def close(self) -> None:
        """Close the connections of this transport's own session; a caller's session is left alone."""
        self._stay_in_this_process()
        if self._given is None:
            self._session.close()

    def _settings_for(self, url: str) -> dict[str, Any]:
        """Return proxies, CA bundle and client certificate for the origin of ``url``."""
        key = place(url)
        if key not in self._environment:
            self._environment[key] = environment_settings(url, self._given or requests.Session())
        return self._environment[key]


def environment_settings(url: str, session: requests.Session) -> dict[str, Any]:
    """Return proxies, CA bundle and client certificate for a URL, as the environment and the session have them."""
    settings = session.merge_environment_settings(url, {}, True, None, None)
    return {name: settings[name] for name in ("proxies", "verify", "cert")}


def _prepared(request: HttpRequest, body: Once | None) -> requests.PreparedRequest:
    """Make what an adapter takes, of what needs no preparing."""
    prepared = requests.PreparedRequest()
    prepared.method, prepared.url, prepared.body = request.method, request.url, body  # type: ignore[assignment]
    prepared.headers = CaseInsensitiveDict(request.headers)
    if body is not None:
        prepared.headers["Content-Length"] = str(len(body))
    return prepared


def _through_session(
    session: requests.Session, request: HttpRequest, body: Once | None, now: Limits, settings: dict[str, Any]
) -> HttpResponse:
    """Go the whole way of requests, with all that a caller's session adds."""
    prepared = session.prepare_request(
        requests.Request(request.method, request.url, headers=dict(request.headers), data=body)
    )
    location: dict[str, str] = {}
    prepared.hooks["response"].append(lambda response, **_: _take_location(response, location))
    response = session.send(prepared, allow_redirects=False, **settings)
    chunks = translating(_watched(response, now), _translated)
    return HttpResponse(response.status_code, {**response.headers, **location}, chunks, response.close)


def _take_location(response: requests.Response, kept: dict[str, str]) -> None:
    """Take ``Location`` off an answer: told not to follow it, requests still looks where it leads, and may trip."""
    if "location" in response.headers:
        kept["location"] = response.headers.pop("location")


def _watched(response: requests.Response, now: Limits) -> Iterator[bytes]:
    """Give the chunks of an answer; the connections of a caller's session know no limit for the exchange."""
    for chunk in response.iter_content(CHUNK):
        yield chunk
        now.left()


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
