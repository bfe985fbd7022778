"""The route to an origin: its proxy and CA bundle, read from the environment as requests reads them.

==============================================  ====================================================================
``http_proxy``, ``https_proxy``, ``all_proxy``  the proxy for one scheme, or for all; upper case works as well
``no_proxy``                                    hosts without a proxy: domains, addresses, networks (10.0.0.0/8)
``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``      a file or a folder of trusted certificates; certifi's by default
==============================================  ====================================================================

No proxy is ever used for a loopback address.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import attrs
import certifi
import requests
import urllib3
from urllib3.util import parse_url

from ..errors import ConfigurationError
from .base import place_of

_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


@attrs.frozen(slots=False)
class Route:
    """How to reach an origin.

    Attributes:
        settings: The arguments of ``Session.send``: ``proxies``, ``verify``, ``cert`` and ``stream``.
        proxy: The URL of the proxy for this origin, if there is one; it may hold a password.
        uses_tls: Whether the origin or the proxy does.
    """

    settings: Mapping[str, Any] = attrs.field(repr=False)
    proxy: str | None = attrs.field(repr=False)
    uses_tls: bool

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """The TLS context with the CA bundle, if one is needed; loading it takes some milliseconds."""
        bundle = self.settings["verify"]
        return _load(certifi.where() if bundle is True else bundle) if self.uses_tls else None


def find_route(url: str) -> Route:
    """Find the route to the origin of a URL.

    Raises:
        ConfigurationError: The proxy or the CA bundle of the environment cannot be used.
    """
    with requests.Session() as session:
        settings = merged_settings(session, url)
    scheme = urlsplit(url).scheme
    proxy = settings["proxies"].get(scheme) or settings["proxies"].get("all")
    if proxy:
        proxy = _checked(proxy if "://" in proxy else f"http://{proxy}", url)
    route = Route(settings, proxy or None, "https" in (scheme, urlsplit(proxy or "").scheme))
    if settings["verify"] is not True:
        route.tls  # noqa: B018 - it raises if the bundle cannot be read
    return route


def merged_settings(session: requests.Session, url: str) -> dict[str, Any]:
    """Return what a session and the environment give for a URL: the arguments of ``Session.send``."""
    host = urlsplit(url).hostname or ""
    direct = {"no_proxy": host} if is_loopback(host) else {}  # no proxy for a loopback address
    return dict(session.merge_environment_settings(url, direct, True, None, None))


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked(proxy: str, url: str) -> str:
    """Return the URL of a proxy if it can be used."""
    try:
        parts = parse_url(proxy)
        scheme = parts.scheme if parts.host and parts.scheme in _SCHEMES else None
    except urllib3.exceptions.LocationParseError:
        scheme = None
    if scheme is None:
        raise ConfigurationError(
            f"The environment's proxy for {place_of(url)} is not a URL like http://proxy.example:3128; nothing was "
            "sent. Correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or add the host to NO_PROXY."
        )
    if scheme.startswith("socks") and find_spec("socks") is None:
        raise ConfigurationError(
            "The SOCKS proxy of the environment needs PySocks: pip install 'requests[socks]'. Nothing was sent."
        )
    return proxy


def _load(path: str) -> ssl.SSLContext:
    try:
        folder = os.path.isdir(path)
        context = ssl.create_default_context(capath=path) if folder else ssl.create_default_context(cafile=path)
    except OSError as error:  # an ssl.SSLError is one
        why = "it contains no certificates" if isinstance(error, ssl.SSLError) else error.strerror
    else:
        context.set_alpn_protocols(["http/1.1"])
        return context
    raise ConfigurationError(
        f"The CA bundle {path} cannot be read ({why}); nothing was sent. Correct REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, "
        "or unset it."
    )
