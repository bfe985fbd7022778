"""Exceptions of HTTP libraries, translated into errors of this package.

The library's exception is neither chained nor kept: requests, urllib3 and aiohttp attach the request with its key to
some, and their stack frames hold the bytes that were sent.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from ..errors import ConfigurationError, ConnectError, TransportError, TransportTimeout

_NAMES = re.compile(r"(?:[!#$%&'*+.^_`|~0-9a-z-]+(?:,|$))*")
_CONTROLS = re.compile(r"\0|\r(?!\n[ \t])|(?<!\r)\n(?![ \t])")
_NO_TLS = re.compile("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|PACKET_LENGTH_TOO_LONG")  # depends on the OpenSSL
_TLS_ALERT = "the response is a TLS alert, not HTTP"
_LIMIT = re.compile(r"[Gg]ot more than (\d+) (bytes|headers)")


def causes(error: BaseException) -> Iterator[BaseException]:
    """Walk from an exception to everything behind it, however the libraries have wrapped it."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        error = todo.pop(0)
        if id(error) not in seen:
            seen.add(id(error))
            yield error
            inner = [*error.args, getattr(error, "reason", None), error.__cause__, error.__context__]
            todo += [cause for cause in inner if isinstance(cause, BaseException)]


def translate(
    error: BaseException,
    url: str,
    *,
    touched: bool | None,
    not_connected: tuple[type[BaseException], ...],
    not_possible: tuple[type[BaseException], ...],
    reason: str = "",
) -> TransportError:
    """Translate what an HTTP library raised.

    Args:
        error: The exception.
        url: The URL of the request.
        touched: Whether any of the request's body was asked for; ``None`` if there is no body.
        not_connected: The library's exceptions that mean that no connection was made.
        not_possible: Its exceptions that mean that no attempt can succeed.
        reason: What happened, in words; by default, it is found out from the exception.
    """
    behind = list(causes(error))
    unsendable = isinstance(error, ValueError) and len(behind) == 1  # from http.client, when it writes the headers
    if touched is None:
        unsent = (*not_connected, *not_possible, UnicodeError)
        touched = not (unsendable or any(isinstance(cause, unsent) for cause in behind))
    if not touched and (unsendable or any(_cannot_heal(cause, not_possible) for cause in behind)):
        return ConfigurationError(f"No request can be made to {place_of(url)}: {_why(behind, not_possible)}.")
    return failure(url, reason or _reason(behind), sent=touched, silent=any(_is_timeout(cause) for cause in behind))


def failure(url: str, reason: str, *, sent: bool, silent: bool) -> TransportError:
    """Return the error of an exchange that ended without a complete response."""
    if not sent:
        hint = " Does this port speak HTTPS?" if _NO_TLS.search(reason) else ""
        return ConnectError(
            f"No connection to {place_of(url)} ({reason}); nothing was sent.{hint} "
            "Check the network, the base URL and the proxy settings."
        )
    if silent:
        return TransportTimeout(f"{place_of(url)} stopped responding ({reason}).")
    hint = " Does this port expect HTTPS? Then the base URL begins with https://." if reason == _TLS_ALERT else ""
    return TransportError(f"The connection to {place_of(url)} was lost ({reason}).{hint}")


def place_of(url: str) -> str:
    """Return the host and port of a URL for a message."""
    try:
        parts = urlsplit(url)
        return f"{str(parts.hostname)[:100]}:{parts.port or {'http': 80, 'https': 443}.get(parts.scheme)}"
    except ValueError:
        return "the base URL"


def _cannot_heal(cause: BaseException, not_possible: tuple[type[BaseException], ...]) -> bool:
    """Return whether the next attempt will fail in the same way."""
    if isinstance(cause, ssl.SSLError):
        return getattr(cause, "library", None) in ("X509", "PEM")  # the CA bundle
    missing_file = isinstance(cause, OSError) and "CA certificate bundle" in str(cause)
    return missing_file or isinstance(cause, (UnicodeError, *not_possible))


def _is_timeout(cause: BaseException) -> bool:
    return isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__


def flaw_of_head(headers: Mapping[str, str]) -> str | None:
    """Return why the headers of a response, by lower-case name, are malformed, if they are.

    The HTTP libraries let some of this pass, or guess where such a body ends.
    """
    if not _NAMES.fullmatch(",".join(headers)) or _CONTROLS.search(",".join(headers.values())):
        return "a malformed header"
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if length is not None:
        if coding is not None:
            return "both a Content-Length and a Transfer-Encoding"
        if not length.isdecimal() or not length.isascii():
            lengths = {part.strip() for part in length.split(",")}
            if len(lengths) > 1 or not all(part.isascii() and part.isdecimal() for part in lengths):
                return "no single Content-Length"
    if coding is not None and coding.strip().lower() not in ("chunked", "identity"):
        return "an unknown Transfer-Encoding"
    return None


def _reason(behind: list[BaseException]) -> str:
    """Return the operating system's words for the failure, or the name of the innermost exception."""
    for cause in behind:
        if limit := _LIMIT.search(str(cause)):
            what = f"a line of more than {limit[1]} bytes" if limit[2] == "bytes" else f"more than {limit[1]} headers"
            return f"the head of the response has {what}, the limit of the HTTP library"
        if "Too many headers received" in str(cause):  # aiohttp, which does not tell the number
            return "the head of the response has too many headers for the limit of the HTTP library"
        if message := getattr(cause, "verify_message", None):
            return f"certificate verify failed: {message}"
        if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", None):
            return f"TLS: {cause.reason}"
        if isinstance(cause, OSError) and cause.errno and not isinstance(cause, (ssl.SSLError, socket.gaierror)):
            return os.strerror(cause.errno)
        if isinstance(cause, socket.gaierror) and cause.strerror:
            return cause.strerror
        if type(cause).__name__ == "BadStatusLine":  # of http.client or of aiohttp
            return _TLS_ALERT if re.search(r"\x15\x03|\\x15\\x03", str(cause)) else "the response is not HTTP"
    if any(_is_timeout(cause) for cause in behind):
        return "timed out"
    return type(behind[-1]).__name__


def _why(behind: list[BaseException], not_possible: tuple[type[BaseException], ...]) -> str:
    """Return what is wrong with the configuration. Words about a header would show its value, which may be the key."""
    for cause in behind:
        if isinstance(cause, (ssl.SSLError, *not_possible)) or "CA certificate bundle" in str(cause):
            return re.sub(r"//[^/@\s]*@", "//***@", str(cause)).rstrip(".")[:300] + "; nothing was sent"
    return "the host name or a header cannot be sent; nothing was sent"
