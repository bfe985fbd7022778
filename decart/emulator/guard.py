"""Protect the control routes from web pages of other origins.

The control routes take no key, so a page in a browser on this machine could reach them in two ways. The browser's
headers reveal both:

- DNS rebinding: the page's host name is made to resolve to this machine. ``Host`` is that name.
- A cross-site request: the page sends a request to this machine. ``Origin`` differs from the requested address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?")
_SINGLE_LABEL = re.compile(r"[a-z0-9_-]+")


def refusal(environ: Mapping[str, Any], listening_on: str) -> str | None:
    """Return why a request may not use the control routes, as a sentence; ``None`` if it may.

    Args:
        environ: The WSGI environment of the request.
        listening_on: The host that the server was told to listen on. If it listens on every address, any IP
            address is accepted as ``Host``: rebinding needs a name.

    Example:
        >>> refusal({"HTTP_HOST": "localhost:8787"}, "127.0.0.1") is None
        True
    """
    host = environ.get("HTTP_HOST", "").lower()
    found = _HOST.fullmatch(host)
    if found is None or not _is_own(found[1].strip("[]"), listening_on.lower()):
        return (
            "The control routes accept only localhost, single-label names and the host that the emulator listens on"
            f" (--host) as Host, not {host[:100]!r}."
        )
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin.lower() != f"{environ['wsgi.url_scheme']}://{host}":
        return f"The control routes accept no request from a web page of another origin ({origin[:100]!r})."
    return None


def is_loopback(host: str) -> bool:
    """Return whether a host name or address means this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_own(host: str, listening_on: str) -> bool:
    if host == listening_on or is_loopback(host) or _SINGLE_LABEL.fullmatch(host):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return listening_on in ("0.0.0.0", "::")
