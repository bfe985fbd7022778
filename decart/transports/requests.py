"""The default transport: a `requests.Session`, one ``Session.send`` per exchange.

Everything that hooks into requests works: `responses`, requests-mock, VCR, OpenTelemetry, Sentry, custom adapters. This
transport adds the following:

- **No redirect is followed.** requests removes ``Authorization`` when the host changes, but not ``X-API-KEY``.
- **No hidden retries**: ``max_retries`` is 0, a session that would retry a POST is refused, and a body is sent once.
- **No login from ``~/.netrc``, no cookies**: the API key is the only credential.
- **Interrupts and forks**: see `decart.transports.urllib3`; a child process gets its own session.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests import exceptions
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from ..errors import InvalidInputError
from ..redaction import TEXT_LIMIT, redact_secret
from .base import CHUNK, FRESH, HttpRequest, HttpResponse, Timeout
from .body import SentBody
from .failures import Kinds, failed_exchange, failed_read
from .routes import find_route, merged_settings
from .timing import total_exceeded
from .urllib3 import CURRENT, FAILURES, KINDS, PooledTransport, response_of, times_of

_KINDS = Kinds(
    (*KINDS.not_connected, exceptions.ConnectTimeout, exceptions.ProxyError, exceptions.SSLError),
    (*KINDS.not_possible, exceptions.InvalidSchema, exceptions.InvalidURL, exceptions.MissingSchema),
)
_SECRETS = ("x-api-key", "authorization", "proxy-authorization", "cookie")


class RequestsTransport(PooledTransport):
    """Send through requests. Safe to share between threads, and across ``fork``.

    Args:
        session: Your own session, with its adapters, headers, proxies or certificates; later changes to it take effect.
            It is not closed with the transport, but its idle connections are closed before a submit if they may be
            older than a few seconds. A session that would retry a POST by itself is refused: that could bill twice.

    Raises:
        InvalidInputError: The session would retry a POST.

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
        super().__init__()

    def __repr__(self) -> str:
        return super().__repr__() if self._given is None else "RequestsTransport(session=...)"

    def _start(self) -> None:
        self._routes: dict[str, dict[str, Any]] = {}
        self._fresh_since = time.monotonic()
        self._session = self._given or requests.Session()
        if self._given is None:
            self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def after_fork(self) -> None:
        """In a forked child, do not use the parent's connections."""
        if self._given is not None:
            self._close_idle()
        super().after_fork()

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt; see `decart.transports.base.Transport`."""
        ends = None if timeout.total is None else time.monotonic() + timeout.total
        body = None if request.body is None else SentBody(request.body, request.may_start)
        outer, CURRENT.has_unparsed_head = CURRENT.has_unparsed_head, False
        try:
            prepared, settings = (self._prepare if self._given is None else self._prepare_in_session)(request, body)
            prepared.hooks["response"].append(_hide_location)
            if ends is not None and time.monotonic() >= ends:
                raise total_exceeded(timeout, sent=False)
            times: Any = times_of(timeout)
            try:
                response = self._session.send(prepared, allow_redirects=False, timeout=times, **settings)
            except requests.HTTPError as error:  # a hook of the session called ``raise_for_status``
                if error.response is None:
                    raise
                response = error.response
            except BaseException:
                self._routes.clear()  # an interrupt can make requests forget its pool and open a new one
                raise
            raw: Any = response.raw
            if isinstance(raw, urllib3.BaseHTTPResponse):
                return response_of(
                    raw, request.url, ends, timeout, _read_content(response, timeout) if raw.closed else None
                )
            close = getattr(raw, "close", _nothing)  # it is a mock, or comes from an adapter that is not for HTTP
            return HttpResponse(response.status_code, response.headers, _read_content(response, timeout), close)
        except FAILURES as error:
            failure = failed_exchange(error, request.url, timeout, body, _KINDS, _own_words(error, request.headers))
        finally:
            CURRENT.has_unparsed_head = outer
        raise failure  # outside the handler: the library's exception may hold the key, and must not be chained

    def _prepare(self, request: HttpRequest, body: SentBody | None) -> tuple[requests.PreparedRequest, dict[str, Any]]:
        """Prepare a request for our own session from its parts, which need no encoding or merging."""
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url, prepared.hooks = request.method, request.url, {"response": []}
        prepared.headers = CaseInsensitiveDict(request.headers)
        if request.body is not None:
            prepared.body = body  # type: ignore[assignment]  # its type does not include iterables of bytes
            prepared.headers["Content-Length"] = str(len(request.body))
        scheme, _, rest = request.url.partition("://")
        key = scheme + rest.partition("/")[0]
        settings = self._routes.get(key)
        if settings is None:
            settings = dict(find_route(request.url).settings)
            adapter: Any = self._session.adapters[f"{scheme.lower()}://"]
            tls = {name: settings[name] for name in ("verify", "proxies", "cert")}
            self._keep_connections(adapter.get_connection_with_tls_context(prepared, **tls))
            self._routes[key] = settings
        return prepared, settings

    def _prepare_in_session(
        self, request: HttpRequest, body: SentBody | None
    ) -> tuple[requests.PreparedRequest, dict[str, Any]]:
        """Prepare a request in the caller's session, with everything that the session adds."""
        session = self._session
        if body is not None and time.monotonic() - self._fresh_since > FRESH:
            self._close_idle()
            self._fresh_since = time.monotonic()
        no_netrc_login = None if session.auth else (lambda prepared: prepared)
        prepared = session.prepare_request(
            requests.Request(request.method, request.url, headers=request.headers, data=body, auth=no_netrc_login)
        )
        return prepared, merged_settings(session, request.url)

    def _close_idle(self) -> None:
        """Close the idle connections of the caller's session, which opens new ones when needed."""
        for adapter in self._session.adapters.values():
            if isinstance(adapter, HTTPAdapter):
                adapter.close()


def _nothing() -> None: ...


def _hide_location(response: requests.Response, **kwargs: object) -> None:
    """Hide ``Location`` from requests, which parses it and may fail, even if it must not follow it."""
    response.headers.pop("location", None)


def _read_content(response: requests.Response, timeout: Timeout) -> Iterator[bytes]:
    """Yield a body that a hook has read already, or that comes from a mock or from an adapter that is not for HTTP."""
    try:
        yield from [response.content] if response.raw is None else response.iter_content(CHUNK)
    except FAILURES as error:
        failure = failed_read(error, response.url, timeout)
    else:
        return
    raise failure


def _refuse_repeats(session: requests.Session) -> None:
    """Refuse a session with an adapter that retries a POST by itself."""
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


def _own_words(error: BaseException, headers: Mapping[str, str]) -> str:
    """Return the text of a mock's or custom adapter's exception, redacted; requests' own wrap another exception."""
    if type(error) is not requests.ConnectionError or not isinstance(next(iter(error.args), None), str):
        return ""
    sent = {**headers, **getattr(error.request, "headers", {})}
    text = str(error)
    for secret in (value for name, value in sent.items() if name.lower() in _SECRETS):
        text = redact_secret(text, str(secret))
    return " ".join(text.split()).rstrip(".")[:TEXT_LIMIT]
