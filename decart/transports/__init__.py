"""HTTP libraries behind one seam: see `decart.transports.base` for the contract.

`RequestsTransport` is loaded on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Body, HttpRequest, HttpResponse, SystemClock, Timeout, Transport

if TYPE_CHECKING:
    from .requests import RequestsTransport

__all__ = ["Body", "HttpRequest", "HttpResponse", "RequestsTransport", "SystemClock", "Timeout", "Transport"]


def __getattr__(name: str) -> object:
    if name == "RequestsTransport":
        from .requests import RequestsTransport

        return RequestsTransport
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
