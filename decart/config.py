"""What a client was made with, checked once, and what it shares with the clients derived from it.

Its settings are the API key, the origin that the key may be sent to, the user agent and the timeouts; its configuration
adds the policies and the event hooks.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakSet

import attrs

from ._version import __version__
from .errors import InvalidAPIKeyError, InvalidBaseURLError, InvalidInputError
from .events import EventHook
from .extras import DISTRIBUTION
from .inputs import JobInput, read
from .keys import KeyCache
from .pace import JobMemory
from .policies import PollPolicy, RetryPolicy
from .transports.base import AnyTimeout, AsyncTransport, Timeout, Transport, origin

if TYPE_CHECKING:
    from .journal.records import JobRecord, Journal

Prices = Mapping[str, float] | Callable[[JobInput], float | None]
"""What a job costs: by the name of its model, or by a function of its inputs; ``None`` if that is not known."""

DEFAULT_BASE_URL = "https://api.decart.ai"

DEFAULT_TIMEOUT = Timeout()
"""The timeout of a client that is given none. It is recognized by identity: an equal one that is given is obeyed."""


class Secret(str):
    """A str that is shown only on the wire: not in a ``repr``, and not in a pickle."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError("A key or token is never pickled; make a client in each process instead.")


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Settings:
    """The checked settings of one client. Their ``repr`` shows where the key is sent, and not the key.

    Attributes:
        api_key: The API key.
        key_source: Where it came from, as a phrase for messages: "the argument api_key" or "the environment variable
            DECART_API_KEY".
        base_url: The URL that every path is appended to.
        user_agent: The ``User-Agent`` header.
        timeout: The time limits of one request.
        headers: The headers of every request.
    """

    api_key: Secret
    key_source: str
    base_url: str
    user_agent: str
    timeout: Timeout
    headers: Mapping[str, str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        headers = {"X-API-KEY": self.api_key, "User-Agent": self.user_agent, "Accept": "*/*"}
        object.__setattr__(self, "headers", headers)

    def __repr__(self) -> str:
        return f"Settings(base_url={self.base_url!r})"

    @property
    def origin(self) -> str:
        """Scheme, host and port: the only place the key may go."""
        return origin(self.base_url)


def settings(
    api_key: str | None, base_url: str | None, timeout: AnyTimeout, integration: str | None, *, allow_http: bool = False
) -> Settings:
    """Check the caller's arguments, and take missing ones from the environment.

    Raises:
        InvalidAPIKeyError: The key is missing or malformed.
        InvalidBaseURLError: It is not an http(s) URL, or would send the key unencrypted over the internet.
        InvalidInputError: The timeout or the integration cannot be used.
    """
    key_source = "the argument api_key" if api_key is not None else "the environment variable DECART_API_KEY"
    url = (os.environ.get("DECART_BASE_URL", "").strip() or DEFAULT_BASE_URL) if base_url is None else base_url
    return Settings(
        api_key=_api_key(os.environ.get("DECART_API_KEY") if api_key is None else api_key, key_source),
        key_source=key_source,
        base_url=_base_url(url, allow_http),
        user_agent=_user_agent(integration),
        timeout=Timeout.of(timeout),
    )


def _api_key(value: object, source: str) -> Secret:
    if value is None:
        raise InvalidAPIKeyError(
            "The API key is missing: pass api_key=... or set the environment variable DECART_API_KEY."
        )
    key = value.strip() if isinstance(value, str) else value
    if key == "":
        raise InvalidAPIKeyError(f"The API key is missing: {source} is blank.")
    if not isinstance(key, str) or not _is_visible(key):
        raise InvalidAPIKeyError(
            f"The API key from {source} must be a str of visible ASCII characters, without spaces or line breaks; copy "
            "it again."
        )
    return Secret(key)


def _is_visible(text: str) -> bool:
    """Return whether a text consists of visible ASCII characters only."""
    return all("!" <= character <= "~" for character in text)


def _base_url(value: object, allow_http: bool) -> str:
    url = value.strip().rstrip("/") if isinstance(value, str) else ""
    if not _is_http(url):
        raise InvalidBaseURLError(
            f"The base URL must look like {DEFAULT_BASE_URL} (http or https, a host, no user name, query or fragment), "
            f"not {_shown(value)}."
        )
    host = urlsplit(url).hostname or ""
    if url.lower().startswith("http:") and not (allow_http or _is_local(host)):
        raise InvalidBaseURLError(
            f"The base URL {url} would send the API key unencrypted; write https://, or pass allow_http=True if the "
            "network to that host can be trusted."
        )
    return url


def _is_local(host: str) -> bool:
    """Return whether a host is this machine, in a private network, or a name without a domain, as in Docker Compose."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host.rstrip(".") or host.rstrip(".").endswith(".localhost")
    return address.is_loopback or address.is_private or address.is_link_local


def _shown(value: object) -> str:
    """Return the given base URL for a message, unless it may be the key."""
    text = str(value)
    if re.match(r"\s*(dct|ek)_|\s*eyJ", text):
        return "something that looks like an API key"
    return repr(re.sub(r"^(\w+://)?.*@", r"\1***@", text, flags=re.DOTALL)[:200])


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
            and "@" not in parts.netloc
            and not set("?#\\") & set(url)  # even an empty query or fragment would swallow the path
            and _is_visible(url)
        )
    except ValueError:  # urlsplit rejected the URL or its port
        return False


def _user_agent(integration: str | None) -> str:
    ours = f"{DISTRIBUTION}/{__version__} lang/py"
    if integration is None:
        return ours
    if not isinstance(integration, str) or not re.fullmatch(r"[\x21-\x7e]+( [\x21-\x7e]+)*", integration.strip()):
        raise InvalidInputError(
            f"integration must be a short ASCII str like 'my-app/1.0', not {str(integration)[:100]!r}."
        )
    return f"{ours} {integration.strip()}"


class Unchanged(Enum):
    """Stands for an option that is not given, where ``None`` means something else."""

    UNCHANGED = "unchanged"


UNCHANGED = Unchanged.UNCHANGED


@attrs.frozen(kw_only=True)
class ClientConfig:
    """How a client behaves.

    Attributes:
        settings: The key, the base URL and the timeouts.
        retry: How failed exchanges are repeated.
        poll: How waits check the status; ``None`` for the defaults, from which the client learns.
        event_hooks: Who hears what the client does.
    """

    settings: Settings
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    poll: PollPolicy | None = None
    event_hooks: tuple[EventHook, ...] = ()

    def __attrs_post_init__(self) -> None:
        _check_type("retry", self.retry, RetryPolicy)
        if self.poll is not None:
            _check_type("poll", self.poll, PollPolicy)

    def changed(
        self,
        *,
        timeout: AnyTimeout | Unchanged,
        retry: RetryPolicy | None,
        poll: PollPolicy | Unchanged | None,
        event_hooks: Iterable[EventHook] | None,
    ) -> ClientConfig:
        """Return this configuration with some options replaced.

        Raises:
            InvalidInputError: An option cannot be used.
        """
        settings = self.settings
        if not isinstance(timeout, Unchanged):
            settings = attrs.evolve(settings, timeout=Timeout.of(timeout))
        return ClientConfig(
            settings=settings,
            retry=self.retry if retry is None else retry,
            poll=self.poll if isinstance(poll, Unchanged) else poll,
            event_hooks=self.event_hooks if event_hooks is None else check_hooks(event_hooks),
        )


@attrs.define(kw_only=True, eq=False)
class Shared:
    """What a client shares with those that ``with_options`` derived from it.

    Attributes:
        transport: What sends the requests.
        memory: The jobs that were submitted, and how long they took.
        keys: The public keys that client tokens are verified with.
        journal: Where submits are recorded, if anywhere.
        prices: What a job costs, by the caller.
        owns_journal: Whether the journal is closed with the client.
        unwritten: Records of submits that have ended, which the journal could not write yet, by label and generation.
        closed: Whether one of the clients was closed, or a sync client whose async side this is.
        async_sides: What the async sides of these clients share; they are closed with them.
    """

    transport: Transport | AsyncTransport
    memory: JobMemory = attrs.field(factory=JobMemory)
    keys: KeyCache = attrs.field(factory=KeyCache)
    journal: Journal | None = None
    prices: Prices | None = None
    owns_journal: bool = False
    unwritten: dict[tuple[str, int], JobRecord] = attrs.field(factory=dict)
    closed: bool = False
    async_sides: WeakSet[Shared] = attrs.field(factory=WeakSet)

    def close(self) -> None:
        """Let no more requests be sent."""
        self.closed = True
        for side in list(self.async_sides):
            side.closed = True


def check_hooks(hooks: Iterable[EventHook]) -> tuple[EventHook, ...]:
    """Return the event hooks of a client.

    Raises:
        InvalidInputError: They are not a list of event hooks.
    """
    if isinstance(hooks, EventHook) or not isinstance(hooks, Iterable):
        raise InvalidInputError("event_hooks must be a list: write event_hooks=[hook].")
    checked = read("event_hooks", lambda: tuple(hooks))
    for hook in checked:
        _check_type("each of event_hooks", hook, EventHook)
    return checked


def _check_type(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise InvalidInputError(f"{name} must be {article} {kind.__name__}, not {type(value).__name__}.")
