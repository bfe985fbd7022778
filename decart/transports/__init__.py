"""The HTTP libraries that the SDK can use, behind one interface: see `decart.transports.base`.

Each is imported on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal

from ..errors import InvalidInputError
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

_NAMED = {"requests": "RequestsTransport", "urllib3": "Urllib3Transport", "aiohttp": "AiohttpTransport"}

AnyTransport = Transport | AsyncTransport | Literal["requests", "urllib3", "aiohttp"]
"""What a client takes as ``transport``."""


def make_transport(given: AnyTransport | None) -> Transport | AsyncTransport:
    """Return what sends the requests: the caller's transport, the one of that name, or requests.

    Raises:
        InvalidInputError: It cannot be a transport.
        MissingExtraError: Its package is not installed.
    """
    if given is None or isinstance(given, str):
        name = given or "requests"
        if name not in _NAMED:
            raise InvalidInputError(f"transport must be one of {', '.join(_NAMED)}, or a transport, not {given!r}.")
        made: Transport | AsyncTransport = getattr(import_module(f".{name}", __name__), _NAMED[name])()
        return made
    if isinstance(given, type):
        raise InvalidInputError(f"transport must be an object: write {given.__name__}(), not {given.__name__}.")
    if not isinstance(given, (AsyncTransport, Transport)):
        raise InvalidInputError(f"transport must be a Transport, not {type(given).__name__}.")
    return given


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
