"""Translate the exceptions of HTTP libraries into errors of this package.

The library's exception is neither chained nor kept: requests, urllib3 and aiohttp attach the request, with its key, to
some of them, and their stack frames hold the bytes that were sent.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator

import attrs

from ..errors import ConfigurationError, ConnectError, TransportError, TransportTimeout
from .base import place_of
from .body import SentBody
from .timing import Timeout

_NO_TLS = re.compile("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|PACKET_LENGTH_TOO_LONG")  # depends on the OpenSSL
_UNSENDABLE = "the host name or a header cannot be sent"
_TLS_ALERT = "the response is a TLS alert, not HTTP"
_NO_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")  # http.client's words
_LIMIT = re.compile(r"[Gg]ot more than (\d+) (bytes|headers)")


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all those that it wraps, however the library wrapped them."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        error = todo.pop(0)
        if id(error) not in seen:
            seen.add(id(error))
            yield error
            inner = [*error.args, getattr(error, "reason", None), error.__cause__, error.__context__]
            todo += [cause for cause in inner if isinstance(cause, BaseException)]


@attrs.frozen
class Kinds:
    """Exceptions of an HTTP library, by what they mean.

    Attributes:
        not_connected: No connection was made.
        not_possible: No attempt can succeed.
    """

    not_connected: tuple[type[BaseException], ...]
    not_possible: tuple[type[BaseException], ...]


def failed_exchange(
    error: BaseException, url: str, timeout: Timeout, body: SentBody | None, kinds: Kinds, reason: str = ""
) -> BaseException:
    """Return the error to raise for an exchange that ended without a response.

    Args:
        error: What the HTTP library raised.
        url: The URL of the request.
        timeout: Its time limits.
        body: The body of the request, if it has one. If reading it failed, that error is returned.
        kinds: What the library's exceptions mean.
        reason: What happened, in words; by default, it is derived from the exception.
    """
    if body is not None and body.error is not None:
        return body.error.with_traceback(None)  # its frames may hold the key
    behind = list(causes(error))
    unsendable = isinstance(error, ValueError) and len(behind) == 1  # from http.client, when it writes the headers
    if body is not None:
        sent = body.touched
    else:
        unsent = (*kinds.not_connected, *kinds.not_possible, UnicodeError)
        sent = not (unsendable or any(isinstance(cause, unsent) for cause in behind))
    if not sent:
        flaws = [flaw for cause in behind if (flaw := _misconfiguration(cause, kinds))]
        if flaws or unsendable:  # the text of an exception about a header would show its value, which may be the key
            why = next((flaw for flaw in flaws if flaw != _UNSENDABLE), _UNSENDABLE)
            return ConfigurationError(f"No request can be made to {place_of(url)}: {why}; nothing was sent.")
    return failure(
        url, reason or _reason(behind, timeout), sent=sent, silent=any(_is_timeout(cause) for cause in behind)
    )


def failed_read(error: BaseException, url: str, timeout: Timeout) -> TransportError:
    """Return the error to raise for a response body that broke off."""
    behind = list(causes(error))
    return failure(url, _reason(behind, timeout), sent=True, silent=any(_is_timeout(cause) for cause in behind))


def failure(url: str, reason: str, *, sent: bool, silent: bool) -> TransportError:
    """Return the error of an exchange that ended without a complete response."""
    if not sent:
        hint = " Does this port speak HTTPS?" if _NO_TLS.search(reason) else ""
        return ConnectError(
            f"Could not connect to {place_of(url)} ({reason}); nothing was sent.{hint} "
            "Check the network, the base URL and the proxy settings."
        )
    if silent:
        return TransportTimeout(f"{place_of(url)} stopped responding ({reason}).")
    hint = " Does this port expect HTTPS? Then the base URL begins with https://." if reason == _TLS_ALERT else ""
    return TransportError(f"The connection to {place_of(url)} was lost ({reason}).{hint}")


def _misconfiguration(cause: BaseException, kinds: Kinds) -> str | None:
    """Return what is wrong with the configuration if it makes every attempt fail."""
    is_about_bundle = getattr(cause, "library", None) in ("X509", "PEM") or "CA certificate bundle" in str(cause)
    if is_about_bundle or isinstance(cause, kinds.not_possible):
        return re.sub(r"//[^/@\s]*@", "//***@", str(cause)).rstrip(".")[:300]
    return _UNSENDABLE if isinstance(cause, UnicodeError) else None


def _refusal_by_proxy(cause: BaseException) -> str:
    """Return the status with which a proxy refused to make a tunnel, as text; empty if that is not what happened."""
    if type(cause).__name__ == "ClientHttpProxyError":  # aiohttp's
        return str(getattr(cause, "status", ""))
    found = _NO_TUNNEL.search(str(cause))
    return found[1] if found else ""


def _is_timeout(cause: BaseException) -> bool:
    return isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__


def timed_out(timeout: Timeout) -> str:
    """Say that a time limit was exceeded: one of these, and not every library reports which."""
    limits = {name: seconds for name, seconds in attrs.asdict(timeout).items() if seconds is not None}
    return "timed out; limits: " + ", ".join(f"{name} {seconds:.10g} s" for name, seconds in limits.items())


def _reason(behind: list[BaseException], timeout: Timeout) -> str:
    """Return the operating system's message for the failure, or the name of the innermost exception."""
    for cause in behind:
        if status := _refusal_by_proxy(cause):
            hint = ": its user name or password is missing or wrong" if status == "407" else ""
            return f"the proxy refused it, HTTP {status}{hint}"
        if limit := _LIMIT.search(str(cause)):
            what = f"a line longer than {limit[1]} bytes" if limit[2] == "bytes" else f"more than {limit[1]} headers"
            return f"the response has {what}, the HTTP library's limit"
        if "Too many headers received" in str(cause):  # aiohttp, which does not say how many
            return "the response has too many headers for the HTTP library"
        if message := getattr(cause, "verify_message", None):
            return f"certificate verify failed: {message}"
        if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", None):
            return f"TLS: {cause.reason}"
        if isinstance(cause, socket.gaierror) and cause.strerror:
            return cause.strerror
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, (ssl.SSLError, socket.gaierror)):
            return os.strerror(cause.errno)
        if type(cause).__name__ == "BadStatusLine":  # of http.client or of aiohttp
            return _TLS_ALERT if re.search(r"\x15\x03|\\x15\\x03", str(cause)) else "the response is not HTTP"
    if any(_is_timeout(cause) for cause in behind):
        return timed_out(timeout)
    return type(behind[-1]).__name__
