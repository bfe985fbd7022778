"""What ``decart doctor`` checks over the network: the base URL, the proxy, TLS, the key, and the clock.

One request is sent, and it is free: for a file that does not exist, since that route surely needs a key; or, without a
key, for the meaning of a model name, which needs none.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import attrs

from ..client import DecartClient
from ..config import Secret, settings
from ..errors import APIError, AuthenticationError, DecartSDKError, TransportError
from ..events import EventHook, ResponseReceived
from ..policies import RetryPolicy
from ..transports.base import Timeout, place_of
from ..transports.routes import Route, find_route
from .checks import Check
from .exits import Exit

NO_FILE = "file_00000000000000000000000000000000"
NAME = "lucy-latest"

SKEW = 30.0
"""Seconds by which this clock may differ from the server's: signed tokens are verified with this tolerance."""


@attrs.frozen
class Target:
    """What is checked.

    Attributes:
        base_url: The base URL, if one is given.
        allow_http: Whether it may begin with http://.
        api_key: The key, if there is one.
        timeout: Seconds that each step may take.
    """

    base_url: str | None
    allow_http: bool
    api_key: Secret | None = attrs.field(repr=False)
    timeout: float


def network_checks(target: Target) -> list[Check]:
    """Make all checks that need the network, in a thread, because nothing bounds the time of a DNS lookup."""
    checks: list[Check] = []
    thread = threading.Thread(target=_check_into, args=(checks, target), daemon=True, name="decart-doctor")
    thread.start()
    thread.join(2 * target.timeout + 1)
    found = [*checks]
    if thread.is_alive():
        found.append(
            Check("server", "problem", "no result in time.", "Does the name server respond? See --timeout.", Exit.ERROR)
        )
    return found


def _check_into(checks: list[Check], target: Target) -> None:
    """Add one check after the other to a list."""
    try:
        base_url = settings("none", target.base_url, None, None, allow_http=target.allow_http).base_url
        checks.append(Check("base URL", "ok", base_url))
        route = find_route(base_url)
        checks.append(Check("proxy", "ok", re.sub("//.*@", "//***@", route.proxy) if route.proxy else "none"))
    except DecartSDKError as error:
        checks.append(Check.failed("proxy" if checks else "base URL", error))
        return
    seen, error = _send(target, base_url)
    if seen.event is None:
        reason = error.cause if error is not None and error.cause is not None else error
        assert reason is not None  # a call without a response has failed
        checks.append(Check.failed("server", reason))
        return
    event = seen.event
    took = f"{place_of(base_url)} responded in {event.seconds:.2f} s (HTTP {event.status})"
    checks.append(Check("server", "ok", took))
    checks.append(_tls(route, base_url, target.timeout))
    if target.api_key is not None:
        checks.append(_key_accepted(error))
    checks.append(_clock(event.headers.get("date", ""), seen.received))


@attrs.define
class _Seen(EventHook):
    """Remembers the response and when it was received."""

    event: ResponseReceived | None = None
    received: float = 0.0

    def response_received(self, event: ResponseReceived) -> None:
        self.event, self.received = event, time.time()


def _send(target: Target, base_url: str) -> tuple[_Seen, DecartSDKError | None]:
    """Send the request."""
    seen, limit = _Seen(), target.timeout
    with DecartClient(
        target.api_key or "none",
        base_url=base_url,
        allow_http=True,
        timeout=Timeout(connect=limit, read=limit, total=limit),
        retry=RetryPolicy(attempts=1),
        integration="decart-cli",
        event_hooks=[seen],
    ) as client:
        try:
            if target.api_key is None:
                client.models.resolve(NAME)
            else:
                client.files.get(NO_FILE)
        except DecartSDKError as error:
            return seen, error
    return seen, None


def _tls(route: Route, base_url: str, timeout: float) -> Check:
    """Say which version of TLS is in use, and how long the server's certificate is valid."""
    if route.proxy is not None:
        return Check("TLS", "skipped", "the connection goes through the proxy")
    if route.tls is None:
        return Check("TLS", "skipped", "the base URL begins with http://")
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    try:
        with (
            socket.create_connection((host, parts.port or 443), timeout) as plain,
            route.tls.wrap_socket(plain, server_hostname=host) as connection,
        ):
            version, certificate = connection.version(), connection.getpeercert() or {}
    except OSError as error:
        return Check("TLS", "problem", f"another connection failed: {error}.", "Try again.", Exit.ERROR)
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    return Check("TLS", "ok", f"{version}, and the certificate is valid until {ends:%Y-%m-%d} ({ssl.OPENSSL_VERSION})")


def _key_accepted(error: DecartSDKError | None) -> Check:
    """Say whether the server has accepted the key: then it says that there is no such file."""
    name, cause = "key accepted", error and error.cause
    if isinstance(cause, AuthenticationError):
        return Check.failed(name, cause, Exit.KEY_REFUSED)
    if error is None or (isinstance(cause, APIError) and cause.status_code in (404, 410) and _is_json(cause.body)):
        return Check(name, "ok", "yes")
    return Check.failed(name, cause or error)


def _is_json(text: str) -> bool:
    """Return whether a text is a JSON object, as the service's are; a proxy's error is a page."""
    with suppress(ValueError):
        return isinstance(json.loads(text), dict)
    return False


def _clock(date: str, received: float) -> Check:
    """Compare the clock of this machine with the server's."""
    try:
        skew = received - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return Check("clock", "skipped", "the server does not say what time it is")
    if abs(skew) <= SKEW:
        return Check("clock", "ok", "right, compared with the server's")
    return Check(
        "clock",
        "problem",
        f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the server's, so tokens seem to be expired or not "
        "valid yet.",
        "Set it, or have it set from the network.",
        Exit.ERROR,
    )
