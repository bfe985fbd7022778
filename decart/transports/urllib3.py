"""urllib3 without requests, which is built on it: about half of the CPU time per call.

It follows the same rules as `decart.transports.requests`: one attempt, no redirects, and the proxies and CA bundle of
the environment.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3

from .base import KEPT_CONNECTIONS, HttpRequest, HttpResponse
from .body import SentBody
from .pooled import IdleConnections, PooledTransport, read_response
from .routes import find_route
from .timeouts import check_total

_NO_RETRIES = urllib3.Retry(False, redirect=False)


class Urllib3Transport(PooledTransport):
    """Send through urllib3. Safe to share between threads, and across ``fork``.

    Args:
        connections: Idle connections to keep per origin. More are opened when needed; no call waits for one.

    Example:
        >>> client = DecartClient(api_key="your-api-key", transport="urllib3")
    """

    def __init__(self, *, connections: int = KEPT_CONNECTIONS) -> None:
        self._connections = connections
        super().__init__()

    def __repr__(self) -> str:
        return "Urllib3Transport()"

    def _start(self) -> None:
        self._pools: dict[str, urllib3.HTTPConnectionPool | urllib3.PoolManager] = {}

    def _exchange(
        self, request: HttpRequest, body: SentBody | None, timeout: urllib3.Timeout, ends: float | None
    ) -> HttpResponse:
        scheme, _, rest = request.url.partition("://")
        host, slash, path = rest.partition("/")
        pool: Any = self._pools.get(scheme + host) or self._new_pool(f"{scheme}://{host}", scheme + host)
        if ends is not None:
            check_total(ends, sent=False)
        response = pool.urlopen(
            request.method,
            request.url if isinstance(pool, urllib3.ProxyManager) else slash + path or "/",
            body=body,
            headers=request.headers if body is None else {**request.headers, "Content-Length": str(len(body))},
            retries=_NO_RETRIES,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            timeout=timeout,
        )
        return read_response(response, request.url, ends)

    def _new_pool(self, origin: str, key: str) -> urllib3.HTTPConnectionPool | urllib3.PoolManager:
        """Return the object that sends requests to an origin: a pool, or the manager of a proxy that forwards them."""
        manager = _new_manager(origin, self._connections)
        pool = manager.connection_from_url(origin)
        self._kept.add(IdleConnections.of(pool, self._connections))
        forwards = origin.startswith("http:") and isinstance(manager, urllib3.ProxyManager)
        return self._pools.setdefault(key, manager if forwards else pool)


def _new_manager(origin: str, connections: int) -> urllib3.PoolManager:
    """Return the pool manager for the route to an origin."""
    route = find_route(origin)
    settings: dict[str, Any] = {"maxsize": connections, "ssl_context": route.tls}
    if route.proxy is None:
        return urllib3.PoolManager(**settings)
    login = urlsplit(route.proxy)
    user, password = unquote(login.username or "") or None, unquote(login.password or "")
    if route.proxy.startswith("socks"):
        from urllib3.contrib.socks import (
            SOCKSProxyManager,  # needs PySocks, which find_route has checked
        )

        return SOCKSProxyManager(route.proxy, username=user, password=password if user else None, **settings)
    headers = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else {}
    return urllib3.ProxyManager(route.proxy, proxy_headers=headers, proxy_ssl_context=route.tls, **settings)
