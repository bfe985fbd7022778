"""The HTTP libraries that the SDK can use, behind one interface: see `decart.transports.base`.

Each is imported on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .base import AsyncHttpResponse, AsyncTransport, Body, HttpRequest, HttpResponse, SystemClock, Timeout, Transport

if TYPE_CHECKING:
    from .aiohttp import AiohttpTransport as AiohttpTransport  # not in __all__: it needs an extra
    from .requests import RequestsTransport
    from .threaded import ThreadedTransport
    from .timing import LoopClock
    from .urllib3 import Urllib3Transport

__all__ = [
    "AsyncHttpResponse",
    "AsyncTransport",
    "Body",
    "HttpRequest",
    "HttpResponse",
    "LoopClock",
    "RequestsTransport",
    "SystemClock",
    "ThreadedTransport",
    "Timeout",
    "Transport",
    "Urllib3Transport",
]

_MODULES = {
    "AiohttpTransport": "aiohttp",
    "LoopClock": "timing",
    "RequestsTransport": "requests",
    "ThreadedTransport": "threaded",
    "Urllib3Transport": "urllib3",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
