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
from ..errors import APIError, AuthenticationError, DecartSDKError
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


NAMES = ("base URL", "proxy", "server", "TLS", "key accepted", "clock")
"""The checks, in their order."""


@attrs.frozen(kw_only=True)
class Target:
    """What is checked.

    Attributes:
        base_url: The base URL, if one is given.
        allow_http: Whether it may begin with http://.
        has_key: Whether there is a key.
        api_key: The key, if it is not that of the environment.
        timeout: Seconds that each step may take.
    """

    base_url: str | None
    allow_http: bool
    has_key: bool
    api_key: Secret | None = attrs.field(repr=False)
    timeout: float


def network_checks(target: Target) -> list[Check]:
    """Make all checks that need the network, in a thread, because nothing bounds the time of a DNS lookup."""
    checks: list[Check] = []
    thread = threading.Thread(target=_check_into, args=(checks, target), daemon=True, name="decart-doctor")
    thread.start()
    thread.join(2 * target.timeout + 1)
    found = {check.name: check for check in [*checks]}
    missing = [name for name in NAMES if name not in found]
    found |= {name: Check(name, "skipped", "not checked") for name in missing}
    if thread.is_alive():
        text, advice = "nothing happened in time.", "Does the name server respond? See --timeout."
        found[missing[0]] = Check(missing[0], "problem", text, advice, Exit.ERROR)
    return [found[name] for name in NAMES]


def _check_into(checks: list[Check], target: Target) -> None:
    """Add one check after the other to a list, until one fails on which the others depend."""
    name = "base URL"
    try:
        base_url = settings("none", target.base_url, None, None, allow_http=target.allow_http).base_url
        checks.append(Check(name, "ok", base_url))
        name = "proxy"
        route = find_route(base_url)
        checks.append(Check(name, "ok", re.sub("//.*@", "//***@", route.proxy) if route.proxy else "none"))
        name = "server"
        seen, failure = _send(target, base_url)
    except DecartSDKError as error:
        checks.append(Check.failed(name, error))
        return
    took = f"{place_of(base_url)} responded in {seen.event.seconds * 1000:.0f} ms (HTTP {seen.event.status})"
    checks.append(Check(name, "ok", took))
    checks.append(_tls(route, base_url, target.timeout))
    if target.has_key:
        checks.append(_key_accepted(failure))
    checks.append(_clock(seen.event.headers.get("date", ""), seen.received))


class _Seen(EventHook):
    """Remembers the response and when it was received."""

    event: ResponseReceived
    received: float

    def response_received(self, event: ResponseReceived) -> None:
        self.event, self.received = event, time.time()


def _send(target: Target, base_url: str) -> tuple[_Seen, DecartSDKError | None]:
    """Send the request; return the response, and why it is not a success, if so.

    Raises:
        DecartSDKError: There was no response.
    """
    seen, limit = _Seen(), target.timeout
    with DecartClient(
        target.api_key if target.has_key else "none",
        base_url=base_url,
        allow_http=True,
        timeout=Timeout(connect=limit, read=limit, total=limit),
        retry=RetryPolicy(attempts=1),
        integration="decart-cli",
        event_hooks=[seen],
    ) as client:
        try:
            if target.has_key:
                client.files.get(NO_FILE)
            else:
                client.models.resolve(NAME)
        except DecartSDKError as error:
            if not hasattr(seen, "event"):
                raise (error.cause or error) from None
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
