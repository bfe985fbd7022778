"""Tokens, files and the public keys against an emulator with faults: what is repeated, and what is left afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.faces import SYNC
from support.servers import PATIENCE
from support.speed import at_any_speed
from support.studio import Studio

from decart import (
    CallError,
    DecartClient,
    DecartSDKError,
    NotFoundError,
    RateLimitError,
    ResponseError,
    RetryPolicy,
    ServerError,
    Timeout,
    TokenCreateError,
    TransportError,
    TransportTimeout,
)
from decart.emulator import Emulator, EmulatorServer
from decart.transports.base import Transport

QUICK = RetryPolicy(interval=0.01, max_interval=0.02)

REFUSALS = ["status:429,retry_after=0", "status:503,retry_after=0", "status:429,retry_after_date=0"]
FAILURES: dict[str, type[DecartSDKError]] = {
    "status:503": ServerError,
    "status:504": ServerError,
    "drop-before": TransportError,
    "drop-after": TransportError,
    "drop-midway": TransportError,
    "truncate": TransportError,
    "html": ResponseError,
    "bad-json": ResponseError,
    "stall": TransportTimeout,
}
SILENT = ("stall",)
OF_A_BODY = ("drop-midway", "truncate", "bad-json")  # a deletion has none
repeated = pytest.mark.parametrize("fault", [*REFUSALS, *FAILURES])


@pytest.fixture(scope="module")
def running() -> Iterator[EmulatorServer]:
    with Emulator(renderer=Studio()) as emulator, EmulatorServer(emulator) as server:
        yield server


def as_new(server: EmulatorServer) -> EmulatorServer:
    """Return a server without the faults and requests of an earlier test."""
    server.emulator.faults.clear()
    server.emulator.requests.clear()
    return server


Connect = Callable[[str, float], tuple[DecartClient, EmulatorServer]]


@pytest.fixture
def connect(transport: Transport, running: EmulatorServer) -> Connect:
    """Return a client, and its emulator, to which the test adds a fault; of silence the client soon has enough."""

    def connected(fault: str, scale: float) -> tuple[DecartClient, EmulatorServer]:
        server, timeout = as_new(running), Timeout(read=0.5 * scale if fault in SILENT else PATIENCE)
        return DecartClient("dct_x", base_url=server.url, transport=transport, retry=QUICK, timeout=timeout), server

    return connected


def methods(server: EmulatorServer) -> list[str]:
    return [request.method for request in server.emulator.requests]


@at_any_speed
@repeated
def test_a_token_is_ordered_again(connect: Connect, fault: str, scale: float) -> None:
    client, server = connect(fault, scale)
    server.emulator.faults.add(f"{fault},on=tokens")
    assert client.tokens.create().api_key.startswith("ek_")
    assert methods(server) == ["POST", "POST"]


@at_any_speed
@repeated
def test_the_public_keys_are_fetched_again(connect: Connect, fault: str, scale: float) -> None:
    client, server = connect(fault, scale)
    token = client.tokens.create().token or ""
    server.emulator.faults.add(f"{fault},on=any")
    for _ in range(3):
        assert client.tokens.verify(token).subject
    assert methods(server) == ["POST", "GET", "GET"]


@at_any_speed
@repeated
def test_a_reference_is_read_again(connect: Connect, fault: str, scale: float) -> None:
    client, server = connect(fault, scale)
    file = client.files.upload(b"picture")
    server.emulator.faults.add(f"{fault},on=files")
    assert client.files.get(file) == file
    assert methods(server) == ["POST", "GET", "GET"]


@at_any_speed
@pytest.mark.parametrize("fault", [each for each in (*REFUSALS, *FAILURES) if each not in OF_A_BODY])
def test_a_file_is_deleted_again(connect: Connect, fault: str, scale: float) -> None:
    client, server = connect(fault, scale)
    file = client.files.upload(b"picture")
    server.emulator.faults.add(f"{fault},on=files")
    client.files.delete(file)
    assert methods(server) == ["POST", "DELETE", "DELETE"]
    with pytest.raises(CallError) as caught:
        client.files.delete(file)
    assert isinstance(caught.value.cause, NotFoundError)


@at_any_speed
@pytest.mark.parametrize("fault", REFUSALS)
def test_a_refused_upload_is_repeated(connect: Connect, fault: str, scale: float) -> None:
    client, server = connect(fault, scale)
    server.emulator.faults.add(f"{fault},on=files")
    file = client.files.upload(b"picture")
    assert client.files.get(file).size_bytes == 7
    assert methods(server) == ["POST", "POST", "GET"]


@at_any_speed
@pytest.mark.parametrize(("fault", "cause"), FAILURES.items())
def test_an_upload_with_an_unknown_outcome_is_not_repeated(
    connect: Connect, fault: str, cause: type[DecartSDKError], scale: float
) -> None:
    client, server = connect(fault, scale)
    server.emulator.faults.add(f"{fault},on=files")
    with pytest.raises(CallError, match="may have been stored, so it was not sent again") as caught:
        client.files.upload(b"picture")
    assert isinstance(caught.value.cause, cause)
    assert methods(server) == ["POST"]
    assert "dct_x" not in f"{caught.value} {caught.value.data}"


@at_any_speed
@pytest.mark.parametrize("fault", ["drop-midway:45", "truncate:45", "bad-json"])
def test_the_id_in_a_response_that_was_cut_is_quoted(connect: Connect, fault: str, scale: float) -> None:
    client, server = connect(fault, scale)
    server.emulator.faults.add(f"{fault},on=files")
    with pytest.raises(CallError) as caught:
        client.files.upload(b"picture", ttl="persistent")
    file_id = caught.value.data["body"].split('"')[3]
    assert client.files.get(file_id).expires_at is None
    client.files.delete(file_id)


@at_any_speed
@pytest.mark.parametrize(("fault", "cause"), [("status:429", RateLimitError), *FAILURES.items()])
def test_an_outage_that_lasts_is_an_error_with_its_cause(
    connect: Connect, fault: str, cause: type[DecartSDKError], scale: float
) -> None:
    client, server = connect(fault, scale)
    token, file = client.tokens.create().token or "", client.files.upload(b"picture")
    server.emulator.faults.add(f"{fault},on=any,times=forever")
    once = client.with_options(retry=RetryPolicy(attempts=1))
    calls: dict[Callable[[], object], type[CallError]] = {
        once.tokens.create: TokenCreateError,
        lambda: once.tokens.verify(token): CallError,
        lambda: once.files.get(file): CallError,
    }
    for call, expected in calls.items():
        with pytest.raises(expected) as caught:
            call()
        assert isinstance(caught.value.cause, cause)
        assert token not in f"{caught.value} {caught.value.data}"


@pytest.mark.parametrize("name", SYNC)
def test_many_threads_wait_for_one_slow_response_with_the_keys(name: str, running: EmulatorServer) -> None:
    server = as_new(running)
    with DecartClient("dct_x", base_url=server.url, transport=SYNC[name]()) as client:
        token = client.tokens.create().token or ""
        server.emulator.faults.add("stall:0.3,on=any")
        with ThreadPoolExecutor(16) as threads:
            found = list(threads.map(client.tokens.verify, [token] * 48, timeout=PATIENCE))
    assert {each.subject for each in found} == {client.tokens.decode(token).subject}
    assert methods(server) == ["POST", "GET"]
