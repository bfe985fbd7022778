"""What the verbs of both clients stand on: one exchange, repeated as its policy says.

``Core`` blocks and ``AsyncCore`` awaits. That is all in which they differ: what both do is in ``Common``, and what both
decide is in `decart.policies`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, Protocol, TypeVar

from . import _config, _wire, transports
from ._config import Settings
from ._problems import Answer
from ._wire import Call
from .durations import Durations
from .errors import APIError, ClientClosedError, InvalidInputError, ResponseError, TransportError
from .inputs import JobInput
from .jobs import JobStatusResponse, JobSubmitResponse
from .policies import Deadline, PollPolicy, RetryPolicy, retrying
from .transports.base import AsyncTransport, Timeout, Transport

if TYPE_CHECKING:
    from ._transfer import Transfer
    from .progress import OnProgress
    from .watch import Watch

    class Timed(Protocol):
        """What the two kinds of transport share."""

        def now(self) -> float: ...


T = TypeVar("T")
log = logging.getLogger("decart")

AnyTransport = Transport | AsyncTransport | Literal["requests", "urllib3", "aiohttp"]
NAMED = {"requests": "RequestsTransport", "urllib3": "Urllib3Transport", "aiohttp": "AiohttpTransport"}
"""The transports that can be asked for by name; each is loaded then."""

TIMEOUT, RETRY, POLL = Timeout(), RetryPolicy(), PollPolicy()
"""What both clients do unless told otherwise."""


Tr = TypeVar("Tr", bound="Timed")
Repeat = Callable[[BaseException], bool]
FAILURES = (APIError, ResponseError, TransportError)
"""What an exchange ends with when it brings no value."""


class Common(Generic[Tr]):
    """The settings of a client, its transport, whether it is still open, and what it remembers."""

    def __init__(
        self,
        *,
        settings: Settings,
        transport: Tr,
        retry: RetryPolicy,
        poll: PollPolicy,
        closed: bool = False,
        durations: Durations | None = None,
    ) -> None:
        self.settings, self.transport, self.retry, self.poll = settings, transport, retry, poll
        self.closed = closed
        self.durations = Durations() if durations is None else durations

    def deadline(self, seconds: float | None) -> Deadline:
        """Return the moment so many seconds from now, on the transport's clock."""
        return Deadline.after(seconds, self.transport.now)

    def transfer(
        self,
        job_id: str,
        deadline: Deadline | None = None,
        progress: OnProgress | None = None,
        *,
        range: str | None = None,
        if_range: str | None = None,
    ) -> Transfer:
        """Begin a download, whose time counts from now.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id, or a range is no text.
        """
        from ._ranges import Wanted
        from ._transfer import Transfer
        from .progress import Meter

        _wire.content_request(self.settings, job_id)
        return Transfer(
            settings=self.settings,
            job_id=job_id,
            retry=self.retry,
            deadline=deadline or self.deadline(self.retry.timeout),
            limit=self.deadline(self.settings.timeout.total),
            meter=Meter(callback=progress, direction="download", now=self.transport.now),
            wanted=Wanted.of(range, if_range),
        )

    def submit_call(self, job: JobInput, progress: OnProgress | None) -> Call[JobSubmitResponse]:
        """Build a submit that tells how much of it is sent.

        Raises:
            InvalidInputError: A file cannot be read.
        """
        if progress is None:
            return _wire.submit_call(self.settings, job)
        from .progress import Meter

        return _wire.submit_call(
            self.settings, job, Meter(callback=progress, direction="upload", now=self.transport.now).at
        )

    def note(self, job: JobInput, accepted: JobSubmitResponse) -> JobSubmitResponse:
        """Remember when a job was accepted, and of what kind it is: jobs of one model and size take alike."""
        size = job.resolution or "720p", getattr(job, "orientation", None) or "landscape"  # the service's defaults
        self.durations.begin(accepted.job_id, (job.model.name, *size), self.transport.now())
        return accepted

    def watch(self, job_id: str, policy: PollPolicy | None, **asked: Any) -> Watch:
        """Begin a wait for a job, whose time counts from now, with what else the caller has asked for.

        Raises:
            InvalidInputError: ``job_id`` cannot be an id.
        """
        from .pace import lesson
        from .watch import Watch

        poll = policy or self.poll
        return Watch(
            job_id=job_id,
            question=_wire.status_call(self.settings, job_id),
            poll=poll,
            retry=self.retry,
            deadline=self.deadline(poll.timeout),
            lesson=lesson(self.durations, job_id, poll, self.transport.now),
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
        ends = deadline or self.deadline(self.retry.timeout)
        return self.trying(lambda: self.once(call, self.settings.timeout), lambda: retrying(self.retry, ends, repeat))

    def trying(self, attempt: Callable[[], T], settings: Callable[[], Mapping[str, Any]]) -> T:
        """Make an attempt and, if it fails, as many more as tenacity has them with these settings.

        tenacity is called in only then: it takes as long to load as requests does.
        """
        failed: list[BaseException] = []

        def again() -> T:
            if failed:
                raise failed.pop()
            return attempt()

        try:
            return attempt()
        except FAILURES as error:
            failed.append(error)
        from tenacity import Retrying

        return Retrying(sleep=self.transport.sleep, **settings())(again)

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
        ends = deadline or self.deadline(self.retry.timeout)
        return await self.trying(
            lambda: self.once(call, self.settings.timeout), lambda: retrying(self.retry, ends, repeat)
        )

    async def trying(self, attempt: Callable[[], Awaitable[T]], settings: Callable[[], Mapping[str, Any]]) -> T:
        """Make an attempt and, if it fails, some more; see ``Core.trying``."""
        failed: list[BaseException] = []

        async def again() -> T:
            if failed:
                raise failed.pop()
            return await attempt()

        try:
            return await attempt()
        except FAILURES as error:
            failed.append(error)
        from ._retrying import AsyncRetrying

        value: T = await AsyncRetrying(sleep=self.transport.asleep, **settings())(again)
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
    transport: AnyTransport | None,
) -> dict[str, Any]:
    """Check what a client was made with, and return the common part of its core.

    Raises:
        InvalidAPIKeyError, InvalidBaseURLError, InvalidInputError: As the clients document them.
    """
    settings = _config.settings(api_key, base_url, timeout, integration)
    _check("retry", retry, RetryPolicy)
    _check("poll", poll, PollPolicy)
    if isinstance(transport, str):
        if transport not in NAMED:
            raise InvalidInputError(f"transport must be one of {', '.join(NAMED)}, or an object, not {transport!r}.")
    elif transport is not None and not isinstance(transport, AsyncTransport):
        _check("transport", transport, Transport)
    return {"settings": settings, "retry": retry, "poll": poll}


def _check(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise InvalidInputError(f"{name} must be a {kind.__name__}, not {type(value).__name__}.")


def transport_of(given: AnyTransport | None) -> Transport | AsyncTransport:
    """Return what sends the requests: what the caller made or named, or else requests.

    Raises:
        MissingExtraError: It is not installed.
    """
    if given is not None and not isinstance(given, str):
        return given
    made: Transport | AsyncTransport = getattr(transports, NAMED[given or "requests"])()
    return made
