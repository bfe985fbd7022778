"""The keys that tokens are verified with: where they come from, how long they are kept, and what an outage means."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fakes import KEY, SILENCE, FakeTransport, always, client_of, make_response
from support.signing import Signer, key_set

from decart import (
    CallError,
    ClientClosedError,
    ConnectError,
    DecartClient,
    EventHook,
    NotFoundError,
    ResponseError,
    RetryPolicy,
    ServerError,
    Timeout,
    TokenVerifyError,
    TransportError,
    TransportTimeout,
)
from decart.events import Operation
from decart.transports.base import HttpRequest

OLD, NEW = Signer("old"), Signer("new")
ONCE = RetryPolicy(attempts=1)


def forged(number: int) -> str:
    return Signer(f"forged-{number}").sign()


def reason(client: DecartClient, token: str) -> str:
    with pytest.raises(TokenVerifyError) as caught:
        client.tokens.verify(token)
    return caught.value.reason


# ---------------------------------------------------------------- where they come from


@pytest.mark.parametrize(
    ("base_url", "keys_url"),
    [
        ("https://api.decart.ai", "https://platform.decart.ai/api/auth/jwks"),
        ("https://API.decart.ai:443/", "https://platform.decart.ai/api/auth/jwks"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/api/auth/jwks"),
        ("http://[::1]:8000/proxy/decart", "http://[::1]:8000/api/auth/jwks"),
        ("https://example.com/decart", "https://example.com/api/auth/jwks"),
    ],
)
def test_the_keys_are_those_of_the_service_or_of_what_stands_in_for_it(base_url: str, keys_url: str) -> None:
    transport = FakeTransport(key_set(OLD))
    client_of(transport, base_url=base_url).tokens.verify(OLD.sign())
    [request] = transport.requests
    assert (request.method, request.url) == ("GET", keys_url)


def test_the_api_key_is_not_sent_and_the_response_must_come_soon() -> None:
    transport = FakeTransport(key_set(OLD), key_set(OLD))
    client_of(transport).tokens.verify(OLD.sign())
    client_of(transport, timeout=Timeout(connect=1, read=2)).tokens.verify(OLD.sign())
    first, second = transport.requests
    assert KEY not in str(first.headers)
    assert first.headers["User-Agent"].startswith("decart-queue/")
    assert first.timeout == Timeout(connect=10, read=10, total=10)
    assert second.timeout == Timeout(connect=1, read=2, total=10)


# ---------------------------------------------------------------- how long they are kept


def test_keys_are_fetched_once_an_hour() -> None:
    transport = FakeTransport(key_set(OLD), key_set(NEW))
    client = client_of(transport)
    for _ in range(3):
        client.tokens.verify(OLD.sign())
    transport.sleep(3599)
    client.tokens.verify(OLD.sign())
    assert len(transport.requests) == 1
    transport.sleep(1)
    client.tokens.verify(NEW.sign())
    assert reason(client, OLD.sign()) == "key"  # it is published no more
    assert len(transport.requests) == 2


def test_a_key_that_was_published_since_is_found() -> None:
    transport = FakeTransport(key_set(OLD), key_set(OLD, NEW))
    client = client_of(transport)
    client.tokens.verify(OLD.sign())
    transport.sleep(31)
    assert client.tokens.verify(NEW.sign()).subject == "user_1"


def test_forged_key_ids_cause_at_most_one_request_in_half_a_minute() -> None:
    transport = FakeTransport(always(lambda: key_set(OLD)))
    client = client_of(transport)
    for number in range(100):
        assert reason(client, forged(number)) == "key"
        client.tokens.verify(OLD.sign())
    assert len(transport.requests) == 1
    transport.sleep(29.9)
    assert reason(client, forged(1)) == "key"
    assert len(transport.requests) == 1
    transport.sleep(0.1)
    assert [reason(client, forged(number)) for number in range(5)] == ["key"] * 5
    assert len(transport.requests) == 2


def test_clients_with_other_options_and_the_async_side_share_the_keys() -> None:
    transport = FakeTransport(key_set(OLD))
    client = client_of(transport)
    client.with_options(retry=ONCE).tokens.verify(OLD.sign())
    client.tokens.verify(OLD.sign())
    asyncio.run(client.aio.tokens.verify(OLD.sign()))
    assert len(transport.requests) == 1
    client.close()
    for closed in (client, client.with_options(retry=ONCE)):
        with pytest.raises(ClientClosedError):
            closed.tokens.verify(OLD.sign())


# ---------------------------------------------------------------- outages


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (lambda: make_response(503), ServerError),
        (lambda: make_response(200, b"<html>"), ResponseError),
        (lambda: make_response(200, {"keys": 5}), ResponseError),
        (lambda: make_response(200, {"keys": []}), ResponseError),
        (lambda: make_response(200, []), ResponseError),
        (lambda: ConnectError("No connection."), ConnectError),
        (lambda: TransportError("It broke off."), TransportError),
        (lambda: SILENCE, TransportTimeout),
    ],
)
def test_an_outage_decides_nothing(failure: Callable[[], Any], cause: type) -> None:
    transport = FakeTransport(always(failure))
    with pytest.raises(CallError, match="neither accepted nor refused") as caught:
        client_of(transport).tokens.verify(OLD.sign())
    assert type(caught.value.cause) is cause
    assert len(transport.requests) == 4  # it is retried as a status check is


def test_an_outage_that_ends_in_a_retry_is_not_noticed() -> None:
    transport = FakeTransport(make_response(500), key_set(OLD))
    assert client_of(transport).tokens.verify(OLD.sign()).subject == "user_1"


def test_a_server_without_keys_is_reported_as_one() -> None:
    transport = FakeTransport(make_response(404, {"detail": "Not Found"}))
    with pytest.raises(CallError, match="The public keys are not there") as caught:
        client_of(transport).tokens.verify(OLD.sign())
    assert isinstance(caught.value.cause, NotFoundError)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (301, "The public keys are not there"),
        (401, "The public keys are not there"),
        (408, "waited too long for the request"),
        (429, "Too many requests; wait and try again"),
        (500, "The service failed"),
    ],
)
def test_the_advice_is_about_the_keys_and_not_about_the_base_url_or_the_api_key(status: int, says: str) -> None:
    elsewhere = "https://platform.decart.ai/keys"
    transport = FakeTransport(make_response(status, {"detail": "No."}, location=elsewhere))
    with pytest.raises(CallError, match=says) as caught:
        client_of(transport, retry=ONCE).tokens.verify(OLD.sign())
    assert "base_url" not in caught.value.message and "API key" not in caught.value.message


def test_an_outage_does_not_concern_tokens_whose_key_is_known() -> None:
    transport = FakeTransport(key_set(OLD), always(lambda: make_response(503)))
    client = client_of(transport, retry=ONCE)
    client.tokens.verify(OLD.sign())
    transport.sleep(60)
    for number in range(10):  # it may be signed with a new key: that cannot be decided now
        with pytest.raises(CallError, match="neither accepted nor refused"):
            client.tokens.verify(forged(number))
        client.tokens.verify(OLD.sign())
    assert len(transport.requests) == 2  # and forged ones do not make it worse


def test_keys_that_are_too_old_are_not_used_in_an_outage() -> None:
    transport = FakeTransport(key_set(OLD), make_response(503), key_set(OLD))
    client = client_of(transport, retry=ONCE)
    client.tokens.verify(OLD.sign())
    transport.sleep(3600)
    with pytest.raises(CallError, match="neither accepted nor refused"):
        client.tokens.verify(OLD.sign())
    transport.sleep(30)
    client.tokens.verify(OLD.sign())


@pytest.mark.parametrize("failure", [ConnectError("Refused."), SILENCE])
def test_in_an_outage_one_call_in_half_a_minute_takes_the_time_of_a_fetch(failure: Any) -> None:
    transport = FakeTransport(always(lambda: failure))
    client = client_of(transport)
    causes = set()
    for _ in range(3):
        transport.requests.clear()
        for _ in range(10):
            with pytest.raises(CallError, match="neither accepted nor refused") as caught:
                client.tokens.verify(OLD.sign())
            causes.add(type(caught.value.cause))
        assert len(transport.requests) == 4  # of the first call, with its retries
        transport.sleep(29)
        with pytest.raises(CallError):
            client.tokens.verify(OLD.sign())
        assert len(transport.requests) == 4
        transport.sleep(2)
    assert causes == {ConnectError if failure is not SILENCE else TransportTimeout}


def test_while_a_call_tries_again_in_an_outage_no_other_call_waits() -> None:
    def meanwhile(request: HttpRequest) -> Any:
        with pytest.raises(CallError, match="neither accepted nor refused") as caught:
            client.tokens.verify(OLD.sign())
        assert isinstance(caught.value.cause, ServerError)
        return key_set(OLD)

    transport = FakeTransport(make_response(503), meanwhile)
    client = client_of(transport, retry=ONCE)
    with pytest.raises(CallError):
        client.tokens.verify(OLD.sign())
    transport.sleep(60)
    transport.sleeps.clear()
    assert client.tokens.verify(OLD.sign()).subject == "user_1"
    assert transport.sleeps == []
    assert reason(client, NEW.sign()) == "key"  # the outage is over, and its failure forgotten


def test_a_fetch_that_was_interrupted_decides_nothing_for_the_next_token() -> None:
    transport = FakeTransport(key_set(OLD), KeyboardInterrupt(), key_set(OLD, NEW))
    client = client_of(transport)
    client.tokens.verify(OLD.sign())
    transport.sleep(30)
    with pytest.raises(KeyboardInterrupt):
        client.tokens.verify(NEW.sign())
    client.tokens.verify(NEW.sign())


# ---------------------------------------------------------------- hooks, and the extra


class Names(EventHook):
    def __init__(self) -> None:
        self.names: list[str] = []

    def operation(self, operation: Operation) -> Any:
        self.names.append(operation.name)
        return super().operation(operation)


def test_a_call_is_an_operation_if_it_fetches_the_keys() -> None:
    hook = Names()
    client = client_of(FakeTransport(key_set(OLD)), event_hooks=[hook])
    for _ in range(3):
        client.tokens.verify(OLD.sign())
    assert hook.names == ["token"]


@pytest.mark.parametrize("package", ["jwt", "cryptography"])
def test_without_its_packages_verify_says_what_to_install(package: str) -> None:
    script = (
        f"import sys; sys.modules[{package!r}] = None; import decart; decart.DecartClient('dct_x').tokens.verify('')"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr.splitlines()[-1] == (
        f"decart.errors.MissingExtraError: This feature needs {package}, from the extra 'verify': "
        "pip install 'decart-queue[verify]'"
    )


def test_the_import_error_of_a_broken_package_is_raised_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jwt.py").write_text("raise ImportError('it is broken')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parent.parent}")
    script = "import decart; decart.DecartClient('dct_x').tokens.verify('')"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stderr.splitlines()[-1] == "ImportError: it is broken"
