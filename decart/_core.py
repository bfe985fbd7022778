"""What the verbs of both clients stand on: one exchange, repeated as its policy says.

``Core`` blocks and ``AsyncCore`` awaits. That is all in which they differ: what both do is in `decart._common`, and
what both decide is in `decart.policies`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from . import config, transports
from ._common import Common
from .errors import APIError, InvalidInputError, ResponseError, TransportError
from .jobs import JobStatusResponse
from .policies import Deadline, PollPolicy, RetryPolicy, retrying
from .protocol import Call
from .responses import BufferedResponse
from .transports.base import (
    AnyTimeout,
    AsyncHttpResponse,
    AsyncTransport,
    Event,
    HttpRequest,
    HttpResponse,
    Timeout,
    Transport,
)

if TYPE_CHECKING:
    from .events import EventHook
    from .polling import Watch

T = TypeVar("T")
AnyTransport = Transport | AsyncTransport | Literal["requests", "urllib3", "aiohttp"]
NAMED = {"requests": "RequestsTransport", "urllib3": "Urllib3Transport", "aiohttp": "AiohttpTransport"}
"""The transports that can be asked for by name; each is loaded then."""

TIMEOUT, RETRY, POLL = Timeout(), RetryPolicy(), PollPolicy()
"""What both clients do unless told otherwise."""


Repeat = Callable[[BaseException], bool]
FAILURES = (APIError, ResponseError, TransportError)
"""What an exchange ends with when it brings no value."""


def _nothing() -> None: ...


def _answer(response: HttpResponse | AsyncHttpResponse, body: bytes) -> BufferedResponse:
    return BufferedResponse(status=response.status, headers=response.headers, body=body)


class Core(Common[Transport]):
    """Exchanges that block."""

    def send(
        self,
        call: Call[T],
        repeat: Repeat,
        deadline: Deadline | None = None,
        *,
        cancel: Event | None = None,
        check: Callable[[], None] = _nothing,
    ) -> T:
        """Make an exchange, and repeat it where ``repeat`` says it is worth it and the policy has time for it.

        ``cancel`` ends the pause before a repeat at once; ``check``, which is called before each attempt and between
        the chunks of the response, then raises.
        """
        ends = deadline or self.deadline(self.retry.timeout)
        try:
            return self.once(call, self.settings.timeout, check)
        except FAILURES as error:
            failed = error
        return self.trying(
            lambda: self.once(call, self.settings.timeout, check),
            lambda: retrying(self.retry, ends, repeat, self.reporter, call.job_id),
            failed,
            cancel,
        )

    def trying(
        self,
        attempt: Callable[[], T],
        settings: Callable[[], Mapping[str, Any]],
        first_failure: BaseException | None = None,
        cancel: Event | None = None,
    ) -> T:
        """Make an attempt and, if it fails, as many more as tenacity allows with these settings.

        tenacity is loaded only then: that takes as long as loading requests.
        """
        failed: list[BaseException] = []
        if first_failure is not None:
            failed.append(first_failure)

        def again() -> T:
            if failed:
                raise failed.pop()
            return attempt()

        try:
            return again()
        except FAILURES as error:
            failed.append(error)
        from tenacity import Retrying

        return Retrying(sleep=partial(self.transport.sleep, cancel=cancel), **settings())(again)  # type: ignore[arg-type]

    def look(self, watch: Watch) -> JobStatusResponse:
        """Ask where a job is, once, in the time that its wait has left."""
        return watch.take_known() or self.once(watch.question, watch.timeout(self.settings.timeout))

    def once(self, call: Call[T], timeout: Timeout, check: Callable[[], None] = _nothing) -> T:
        """Make an exchange once.

        Raises:
            ClientClosedError: The client was closed.
            APIError, ResponseError, TransportError: Why there is no value.
        """
        check()
        with self.open(call.request, timeout) as response:
            try:
                answer = _answer(response, response.read(call.limit_for(response.status), check=check))
            except TransportError as failure:
                return call.salvage(_answer(response, response.received), failure)
        return call.parse(answer)

    def open(self, request: HttpRequest, timeout: Timeout) -> HttpResponse:
        """Send a request, and return its answer, whose body is still to be read.

        Raises:
            ClientClosedError: The client was closed.
            TransportError: There is no answer.
        """
        began = self.begins(request)
        try:
            response = self.transport.send(request, timeout=timeout)
        except TransportError as error:
            self.reporter.failure(request, error, self.transport.now() - began)
            raise
        self.reporter.response(request, response.status, response.headers, self.transport.now() - began)
        return response


class AsyncCore(Common[AsyncTransport]):
    """The same, awaited."""

    async def send(
        self,
        call: Call[T],
        repeat: Repeat,
        deadline: Deadline | None = None,
        *,
        cancel: Event | None = None,
        check: Callable[[], None] = _nothing,
    ) -> T:
        """Make an exchange, and repeat it where that is worth it; see ``Core.send``."""
        ends = deadline or self.deadline(self.retry.timeout)
        return await self.trying(
            lambda: self.once(call, self.settings.timeout, check),
            lambda: retrying(self.retry, ends, repeat, self.reporter, call.job_id),
            cancel,
        )

    async def trying(
        self,
        attempt: Callable[[], Awaitable[T]],
        settings: Callable[[], Mapping[str, Any]],
        cancel: Event | None = None,
    ) -> T:
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
        from tenacity import AsyncRetrying

        value: T = await AsyncRetrying(sleep=partial(self.transport.asleep, cancel=cancel), **settings())(again)
        return value

    async def look(self, watch: Watch) -> JobStatusResponse:
        """Ask where a job is, once; see ``Core.look``."""
        known = watch.take_known()
        if known is not None:
            return known
        return await self.once(watch.question, watch.timeout(self.settings.timeout))

    async def once(self, call: Call[T], timeout: Timeout, check: Callable[[], None] = _nothing) -> T:
        """Make an exchange once; see ``Core.once``."""
        check()
        async with await self.open(call.request, timeout) as response:
            try:
                answer = _answer(response, await response.aread(call.limit_for(response.status), check=check))
            except TransportError as failure:
                return call.salvage(_answer(response, response.received), failure)
        return call.parse(answer)

    async def open(self, request: HttpRequest, timeout: Timeout) -> AsyncHttpResponse:
        """Send a request; see ``Core.open``."""
        began = self.begins(request)
        try:
            response = await self.transport.asend(request, timeout=timeout)
        except TransportError as error:
            self.reporter.failure(request, error, self.transport.now() - began)
            raise
        self.reporter.response(request, response.status, response.headers, self.transport.now() - began)
        return response


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
    timeout: AnyTimeout,
    integration: str | None,
    *,
    retry: RetryPolicy,
    poll: PollPolicy,
    transport: AnyTransport | None,
    event_hook: EventHook | None,
    allow_http: bool,
) -> dict[str, Any]:
    """Check what a client was made with, and return the common part of its core.

    Raises:
        InvalidAPIKeyError, InvalidBaseURLError, InvalidInputError: As the clients document them.
    """
    settings = config.settings(api_key, base_url, timeout, integration, allow_http=allow_http)
    _check("retry", retry, RetryPolicy)
    _check("poll", poll, PollPolicy)
    if isinstance(transport, str):
        if transport not in NAMED:
            raise InvalidInputError(f"transport must be one of {', '.join(NAMED)}, or an object, not {transport!r}.")
    elif isinstance(transport, type):
        raise InvalidInputError(f"transport must be an object: write {transport.__name__}(), not {transport.__name__}.")
    elif transport is not None and not isinstance(transport, AsyncTransport):
        _check("transport", transport, Transport)
    if event_hook is not None:
        from .events import EventHook

        _check("event_hook", event_hook, EventHook)
    return {"settings": settings, "retry": retry, "poll": poll, "event_hook": event_hook}


def _check(name: str, value: object, kind: type) -> None:
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise InvalidInputError(f"{name} must be {article} {kind.__name__}, not {type(value).__name__}.")


def transport_of(given: AnyTransport | None) -> Transport | AsyncTransport:
    """Return what sends the requests: what the caller made or named, or else requests.

    Raises:
        MissingExtraError: It is not installed.
    """
    if given is not None and not isinstance(given, str):
        return given
    made: Transport | AsyncTransport = getattr(transports, NAMED[given or "requests"])()
    return made
