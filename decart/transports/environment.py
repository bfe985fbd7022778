"""The way to an origin, as the environment has it: found as requests finds it, without the time to import that.

==============================================  ====================================================================
``http_proxy``, ``https_proxy``, ``all_proxy``  the proxy for a scheme, or for all; upper case counts, too
``no_proxy``                                    where no proxy is used: domains, addresses, networks (10.0.0.0/8), ``*``
``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``      a file or a folder of those who vouch for certificates; else certifi's
==============================================  ====================================================================
"""

from __future__ import annotations

import os
import socket
import ssl
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import attrs

from . import trust


@attrs.frozen
class Way:
    """How to get to an origin.

    Attributes:
        proxy: The URL of the proxy, if one is on the way.
        tls: What TLS on the way trusts; None if there is none.
    """

    proxy: str | None
    tls: ssl.SSLContext | None


def find_way(url: str) -> Way:
    """Find the way to the origin of a URL; it takes some milliseconds.

    Raises:
        OSError: The environment names a CA bundle that is not there.
    """
    proxy = _proxy(url)
    secure = any(hop is not None and urlsplit(hop).scheme == "https" for hop in (url, proxy))
    return Way(proxy, trust.context(trust.bundle()) if secure else None)


def _proxy(url: str) -> str | None:
    parts = urlsplit(url)
    proxies = getproxies()
    names = (f"{parts.scheme}://{parts.hostname}", parts.scheme, f"all://{parts.hostname}", "all")
    proxy = next((proxies[name] for name in names if name in proxies), None)
    if not proxy or _passed_by(parts.hostname or "", parts.port):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _passed_by(host: str, port: int | None) -> bool:
    """Say whether a host is reached without a proxy."""
    try:
        address = int.from_bytes(socket.inet_aton(host), "big")
    except OSError:  # a name
        return bool(proxy_bypass(f"{host}:{port}" if port else host))
    exceptions = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    return any(_contains(network, address) for network in exceptions.split(",")) or bool(proxy_bypass(host))


def _contains(network: str, address: int) -> bool:
    try:
        start, bits = network.replace(" ", "").split("/")
        same = int.from_bytes(socket.inet_aton(start), "big") ^ address
        return 1 <= int(bits) <= 32 and same >> (32 - int(bits)) == 0
    except (ValueError, OSError):  # something else than a network
        return False
