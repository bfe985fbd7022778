"""What the verbs of both clients stand on: one exchange, repeated as its policy says.

``Core`` blocks and ``AsyncCore`` awaits. That is all in which they differ: what both do is in ``Common``, and what both
decide is in `decart.policies`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Generic, NoReturn, Protocol, TypeVar

import attrs

from . import _config, _wire
from ._config import Settings
from ._problems import Answer
from ._wire import Call
from .errors import ClientClosedError, InvalidInputError
from .jobs import JobStatusResponse
from .policies import Deadline, PollPolicy, RetryPolicy, Watch, retrying
from .transports.base import AsyncTransport, Timeout, Transport

T = TypeVar("T")
log = logging.getLogger("decart")

TIMEOUT, RETRY, POLL = Timeout(), RetryPolicy(), PollPolicy()
"""What both clients do unless told otherwise."""


class Timed(Protocol):
    """What the two kinds of transport share."""

    def now(self) -> float: ...


Tr = TypeVar("Tr", bound=Timed)
Repeat = Callable[[BaseException], bool]


@attrs.define(kw_only=True)
class Common(Generic[Tr]):
    """The settings of a client, its transport, and whether it is still open."""

    settings: Settings
    transport: Tr
    retry: RetryPolicy
    poll: PollPolicy
    closed: bool = False

    def deadline(self, seconds: float | None) -> Deadline:
        """Return the moment so many seconds from now, on the transport's clock."""
        return Deadline.after(seconds, self.transport.now)

    def retrying(self, repeat: Repeat, deadline: Deadline | None) -> Any:
        """Return tenacity's settings for one call."""
        return retrying(self.retry, deadline or self.deadline(self.retry.timeout), repeat)

    def watch(self, job_id: str, policy: PollPolicy | None, **asked: Any) -> Watch:
        """Begin a wait for a job, whose time counts from now, with what else the caller has asked for.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id.
        """
        poll = policy or self.poll
        return Watch(
            job_id=job_id,
            question=_wire.status_call(self.settings, job_id),
            poll=poll,
            retry=self.retry,
            deadline=self.deadline(poll.timeout),
            **asked,
        )

    def begin(self) -> float:
        """Return the time, at the beginning of an exchange.

        Raises:
            ClientClosedError: The client was closed.
        """
        if self.closed:
            raise ClientClosedError("This client is closed; make a new DecartClient, or keep this one open for longer.")
        return self.transport.now()

    def end(self, call: Call[T], answer: Answer, began: float) -> T:
        """Turn an answer into its value, or into the error that it is."""
        seconds = self.transport.now() - began
        request = call.request
        log.debug(
            "%s %s: %d, %d bytes in %.3f s", request.method, request.url, answer.status, len(answer.body), seconds
        )
        return call.parse(answer)


class Core(Common[Transport]):
    """Exchanges that block."""

    def send(self, call: Call[T], repeat: Repeat, deadline: Deadline | None = None) -> T:
        """Make an exchange, and repeat it where ``repeat`` says it is worth it and the policy has time for it."""
        from tenacity import Retrying

        attempts = Retrying(sleep=self.transport.sleep, **self.retrying(repeat, deadline))
        return attempts(lambda: self.once(call, self.settings.timeout))

    def look(self, watch: Watch) -> JobStatusResponse:
        """Ask where a job is, once, in the time that its wait has left."""
        return watch.take_known() or self.once(watch.question, watch.timeout(self.settings.timeout))

    def once(self, call: Call[T], timeout: Timeout) -> T:
        """Make an exchange once.

        Raises:
            ClientClosedError: The client was closed.
            APIError, ResponseError, TransportError: Why there is no value.
        """
        began = self.begin()
        with self.transport.send(call.request, timeout=timeout) as response:
            body = response.read(call.limit_for(response.status))
        return self.end(call, Answer(status=response.status, headers=response.headers, body=body), began)


class AsyncCore(Common[AsyncTransport]):
    """The same, awaited."""

    async def send(self, call: Call[T], repeat: Repeat, deadline: Deadline | None = None) -> T:
        """Make an exchange, and repeat it where ``repeat`` says it is worth it and the policy has time for it."""
        from tenacity import AsyncRetrying

        attempts = AsyncRetrying(sleep=self.transport.asleep, **self.retrying(repeat, deadline))
        value: T = await attempts(self.once, call, self.settings.timeout)
        return value

    async def look(self, watch: Watch) -> JobStatusResponse:
        """Ask where a job is, once; see ``Core.look``."""
        known = watch.take_known()
        if known is not None:
            return known
        return await self.once(watch.question, watch.timeout(self.settings.timeout))

    async def once(self, call: Call[T], timeout: Timeout) -> T:
        """Make an exchange once; see ``Core.once``."""
        began = self.begin()
        async with await self.transport.asend(call.request, timeout=timeout) as response:
            body = await response.aread(call.limit_for(response.status))
        return self.end(call, Answer(status=response.status, headers=response.headers, body=body), began)


class Front:
    """What the two clients have in common."""

    _core: Any

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._core.settings.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} holds a key and connections and is not pickled; make one in each process instead."
        )


def setup(
    api_key: str | None,
    base_url: str | None,
    timeout: Timeout | float,
    integration: str | None,
    *,
    retry: RetryPolicy,
    poll: PollPolicy,
    transport: Transport | AsyncTransport | None,
) -> dict[str, Any]:
    """Check what a client was made with, and return the common part of its core.

    Raises:
        InvalidAPIKeyError, InvalidBaseURLError, InvalidInputError: As the clients document them.
    """
    settings = _config.settings(api_key, base_url, timeout, integration)
    _check("retry", retry, RetryPolicy)
    _check("poll", poll, PollPolicy)
    if transport is not None and not isinstance(transport, AsyncTransport):
        _check("transport", transport, Transport)
    return {"settings": settings, "retry": retry, "poll": poll}


def _check(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise InvalidInputError(f"{name} must be a {kind.__name__}, not {type(value).__name__}.")


def default_transport() -> Transport:
    """Return what sends the requests when the caller did not say."""
    from .transports.requests import RequestsTransport

    return RequestsTransport()
