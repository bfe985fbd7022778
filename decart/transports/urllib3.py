"""urllib3 itself, one attempt at a time: what requests stands on, for a fraction of its time.

The same redirects (none), repeats (none), cookies (none), timeouts, proxies and CA bundles as
`decart.transports.requests`; there is no session to be given.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3

from .base import HttpRequest, HttpResponse, SystemClock, Timeout, place
from .connections import Limits, Once, limits
from .environment import find_way
from .failures import without_key
from .pools import FAILURES, POOL, respond, translated, with_bounded_pools
from .processes import OfThisProcess


class Urllib3Transport(OfThisProcess, SystemClock):
    """Send through urllib3. Safe to share between threads, and across ``fork``.

    Args:
        connections: Open at the same time, per origin; more exchanges than that wait for their turn, and after the
            connect timeout open one of their own.

    Example:
        >>> client = DecartClient(api_key="your-api-key", transport="urllib3")
    """

    def __init__(self, *, connections: int = POOL) -> None:
        super().__init__()
        self._connections = connections

    def __repr__(self) -> str:
        return "Urllib3Transport()"

    def _begin(self) -> None:
        self._pools: dict[str, Any] = {}

    def _leave(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt; see `decart.transports.base.Transport`."""
        self._stay_in_this_process()
        body = Once(request.body) if request.body is not None else None
        limits.set(Limits(timeout))
        headers = dict(request.headers)
        if body is not None:
            headers["Content-Length"] = str(len(body))
        try:
            pool = self._pool_for(request.url)
            answer = pool.urlopen(
                request.method,
                _target(request.url, pool),
                body,
                headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=timeout.connect, read=timeout.read, total=timeout.total),
            )
        except FAILURES as error:
            raise translated(error, touched=body.touched if body is not None else None) from without_key(error)
        return respond(answer, translated, _closing(answer))

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            self._leave()
            self._begin()

    def _pool_for(self, url: str) -> Any:
        key = place(url)
        if key not in self._pools:
            with self._lock:  # a hundred threads may ask, and a CA bundle takes a while to read
                self._pools[key] = self._pools.get(key) or _pool(key, self._connections)
        return self._pools[key]


def _pool(url: str, connections: int) -> Any:
    """Return a pool for an origin, by the way that the environment has."""
    way = find_way(url)
    settings: dict[str, Any] = {"maxsize": connections, "block": True, "ssl_context": way.tls}
    if way.proxy is None:
        manager = urllib3.PoolManager(**settings)
    elif urlsplit(way.proxy).scheme.startswith("socks"):
        manager = _socks(way.proxy, settings)
    else:
        login = urllib3.make_headers(proxy_basic_auth=_login(way.proxy))
        headers = {name.title(): value for name, value in login.items()}
        manager = urllib3.ProxyManager(way.proxy, proxy_headers=headers, proxy_ssl_context=way.tls, **settings)
    return with_bounded_pools(manager).connection_from_url(url)


def _login(proxy: str) -> str | None:
    parts = urlsplit(proxy)
    return f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None


def _socks(proxy: str, settings: dict[str, Any]) -> urllib3.PoolManager:
    try:
        importlib.import_module("socks")
    except ImportError:  # urllib3 would warn of it, too
        raise OSError("SOCKS proxies need PySocks: pip install 'requests[socks]'") from None
    from urllib3.contrib.socks import SOCKSProxyManager

    user, _, password = (_login(proxy) or "").partition(":")
    return SOCKSProxyManager(proxy, username=user or None, password=password or None, **settings)


def _target(url: str, pool: Any) -> str:
    """Return what to ask for: a proxy that passes a request on is told the whole address."""
    if pool.proxy is not None and url[:5].lower() == "http:":
        return url
    return url[len(place(url)) :] or "/"


def _closing(answer: Any) -> Callable[[], None]:
    def close() -> None:
        answer.close()
        answer.release_conn()  # also when it is closed: there is room for a new one

    return close
