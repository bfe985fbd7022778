"""The public keys of tokens, when several threads, tasks or processes need them at once."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from support.fakes import KEY, FakeTransport, Takes, always, client_of, make_response
from support.servers import PATIENCE
from support.signing import Signer, key_set

from decart import (
    AsyncDecartClient,
    CallError,
    RetryPolicy,
    ServerError,
    Timeout,
    TokenVerifyError,
)
from decart.transports.base import AsyncHttpResponse, HttpRequest, HttpResponse

OLD, NEW = Signer("old"), Signer("new")
ONCE = RetryPolicy(attempts=1)


class Held(FakeTransport):
    """A transport whose first request takes until the other tasks of the event loop have had some turns."""

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        response = await super().asend(request, timeout=timeout)
        for _ in range(20 if len(self.requests) == 1 else 0):
            await asyncio.sleep(0)
        return response


def test_calls_at_the_same_time_wait_for_one_request() -> None:
    transport = Held(key_set(OLD))

    async def main() -> None:
        client = AsyncDecartClient(KEY, transport=transport)
        found = await asyncio.gather(*[client.tokens.verify(OLD.sign()) for _ in range(20)])
        assert {token.subject for token in found} == {"user_1"}

    asyncio.run(main())
    assert len(transport.requests) == 1


class Meeting(FakeTransport):
    """A transport on whose clock two threads meet: when they have been told what to do, and before either does it."""

    def __init__(self, *script: Any) -> None:
        super().__init__(*script)
        self._thread, self._both, self._answered = threading.local(), threading.Barrier(2), threading.Event()

    def _meet(self) -> None:
        if not getattr(self._thread, "met", False):
            self._thread.met = True
            self._both.wait(PATIENCE)

    def now(self) -> float:
        self._thread.times = getattr(self._thread, "times", 0) + 1
        if self._thread.times > 1:
            self._meet()
        return super().now()

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        self._meet()
        assert self._answered.wait(PATIENCE)

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        response = super().send(request, timeout=timeout)
        self._answered.set()
        return response


def test_of_two_threads_at_the_same_time_one_fetches_the_keys() -> None:
    transport = Meeting(always(lambda: key_set(OLD)))
    client, token = client_of(transport), OLD.sign()
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(client.tokens.verify, [token, token], timeout=PATIENCE))
    assert [each.subject for each in found] == ["user_1", "user_1"]
    assert len(transport.requests) == 1


def test_calls_at_the_same_time_share_an_outage() -> None:
    transport = Held(make_response(503))

    async def main() -> list[Any]:
        client = AsyncDecartClient(KEY, transport=transport, retry=ONCE)
        calls = [client.tokens.verify(OLD.sign()) for _ in range(20)]
        return await asyncio.gather(*calls, return_exceptions=True)

    errors = asyncio.run(main())
    assert {(type(error), type(error.cause)) for error in errors} == {(CallError, ServerError)}
    assert len({id(error) for error in errors}) == 20
    assert len(transport.requests) == 1


def test_a_task_that_is_cancelled_does_not_keep_the_others_from_fetching() -> None:
    transport = Held(key_set(OLD), key_set(OLD))

    async def main() -> None:
        client = AsyncDecartClient(KEY, transport=transport)
        first, second = (asyncio.create_task(client.tokens.verify(OLD.sign())) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).subject == "user_1"
        with pytest.raises(asyncio.CancelledError):
            await first

    asyncio.run(main())
    assert len(transport.requests) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_the_request_of_its_parent() -> None:
    def forking(request: HttpRequest) -> HttpResponse:
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                client.tokens.verify(NEW.sign())
                os._exit(0 if transport.sleeps == [] else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return key_set(OLD)

    transport = FakeTransport(key_set(OLD), forking, key_set(NEW))
    client = client_of(transport)
    client.tokens.verify(OLD.sign())
    transport.sleep(60)
    transport.sleeps.clear()
    with pytest.raises(TokenVerifyError) as caught:
        client.tokens.verify(NEW.sign())
    assert caught.value.reason == "key"


def test_no_call_waits_for_a_request_that_never_ends() -> None:
    subjects: list[str | None] = []

    def meanwhile(request: HttpRequest) -> Any:
        subjects.append(client.tokens.verify(OLD.sign()).subject)
        return key_set(OLD)

    transport = FakeTransport(meanwhile, Takes(1.0, key_set(OLD)))
    client = client_of(transport)
    subjects.append(client.tokens.verify(OLD.sign()).subject)
    assert subjects == ["user_1", "user_1"]
    assert 30 <= transport.now() < 32
