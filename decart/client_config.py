"""What a client was made with, checked once, and what it shares with the clients derived from it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Literal

import attrs

from . import transports
from .config import Settings
from .errors import InvalidInputError
from .events import EventHook
from .inputs import read
from .pace import JobMemory
from .policies import PollPolicy, RetryPolicy
from .transports.base import AnyTimeout, AsyncTransport, Timeout, Transport

AnyTransport = Transport | AsyncTransport | Literal["requests", "urllib3", "aiohttp"]

NAMED = {"requests": "RequestsTransport", "urllib3": "Urllib3Transport", "aiohttp": "AiohttpTransport"}
"""The transports that can be asked for by name."""


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
        closed: Whether one of the clients was closed.
        parent: What the sync client shares, for its async side.
    """

    transport: Transport | AsyncTransport
    memory: JobMemory = attrs.field(factory=JobMemory)
    closed: bool = False
    parent: Shared | None = None


def check_hooks(hooks: Iterable[EventHook]) -> tuple[EventHook, ...]:
    """Return the event hooks of a client.

    Raises:
        InvalidInputError: They are not a list of event hooks.
    """
    if isinstance(hooks, EventHook) or not isinstance(hooks, Iterable):
        raise InvalidInputError("event_hooks must be a list: write event_hooks=[hook].")
    checked: tuple[EventHook, ...] = read("event_hooks", tuple, hooks)
    for hook in checked:
        _check_type("each of event_hooks", hook, EventHook)
    return checked


def make_transport(given: AnyTransport | None) -> Transport | AsyncTransport:
    """Return what sends the requests: the caller's transport, the one of that name, or requests.

    Raises:
        InvalidInputError: It cannot be a transport.
        MissingExtraError: Its package is not installed.
    """
    if given is None or isinstance(given, str):
        name = given or "requests"
        if name not in NAMED:
            raise InvalidInputError(f"transport must be one of {', '.join(NAMED)}, or an object, not {given!r}.")
        made: Transport | AsyncTransport = getattr(transports, NAMED[name])()
        return made
    if isinstance(given, type):
        raise InvalidInputError(f"transport must be an object: write {given.__name__}(), not {given.__name__}.")
    if not isinstance(given, AsyncTransport):
        _check_type("transport", given, Transport)
    return given


def _check_type(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise InvalidInputError(f"{name} must be {article} {kind.__name__}, not {type(value).__name__}.")
