"""What ends a download: the caller's ``cancel`` and ``Timeout.total``, even if a server sends only a byte at a time."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.exchanges import TRANSPORTS
from support.fakes import (
    KEY,
    LAKE,
    MP4,
    FakeTransport,
    accepted,
    always,
    client_of,
    make_response,
    status,
    video,
)
from support.servers import Connection, Gone, http, serving

from decart import (
    AsyncDecartClient,
    DecartClient,
    QueueResultError,
    RetryPolicy,
    Timeout,
    TransportTimeout,
    WaitCancelledError,
)
from decart.transports.base import HttpResponse

SIZE = 1000


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = TRANSPORTS[request.param]()
    yield made
    made.close()


class Steps:
    """A video in chunks; a test is called between them."""

    def __init__(self, cancel: threading.Event, after: int) -> None:
        self.given, self._cancel, self._after = 0, cancel, after

    def __call__(self) -> HttpResponse:
        return HttpResponse(
            200, {"Content-Type": "video/mp4", "Content-Length": str(SIZE), "ETag": '"v"'}, self._chunks(), lambda: None
        )

    def _chunks(self) -> Iterator[bytes]:
        for number in range(SIZE // 10):
            if number == self._after:
                self._cancel.set()
            self.given += 1
            yield b"\0" * 10


@pytest.mark.parametrize("to_file", [True, False], ids=["into a file", "into memory"])
def test_a_cancel_ends_a_download_within_a_chunk_and_says_how_to_fetch_it_again(tmp_path: Path, to_file: bool) -> None:
    cancel = threading.Event()
    steps = Steps(cancel, after=3)
    client = client_of(FakeTransport(status("completed"), steps()))
    saving: dict[str, Any] = {"save_to": tmp_path / "lake.mp4"} if to_file else {}
    with pytest.raises(WaitCancelledError, match=r"client\.queue\.download\('j1', path\)") as caught:
        client.queue.poll("j1", cancel=cancel, **saving)
    assert caught.value.job_id == "j1"
    assert "poll(" not in str(caught.value)
    assert steps.given <= 5
    assert not (tmp_path / "lake.mp4").exists()


@pytest.mark.parametrize("to_file", [True, False], ids=["into a file", "into memory"])
def test_an_awaited_cancel_ends_a_download_within_a_chunk(tmp_path: Path, to_file: bool) -> None:
    cancel = threading.Event()
    steps = Steps(cancel, after=3)
    saving: dict[str, Any] = {"save_to": tmp_path / "lake.mp4"} if to_file else {}

    async def main() -> None:
        client = AsyncDecartClient(KEY, transport=FakeTransport(status("completed"), steps()))
        with pytest.raises(WaitCancelledError, match=r"client\.queue\.download"):
            await client.queue.poll("j1", cancel=cancel, **saving)

    asyncio.run(main())
    assert steps.given <= 5


@pytest.mark.parametrize("to_file", [True, False], ids=["into a file", "into memory"])
def test_a_cancel_ends_the_pause_between_two_attempts_of_a_download(tmp_path: Path, to_file: bool) -> None:
    transport = FakeTransport(status("completed"), make_response(503, retry_after="60"), video())
    cancel = threading.Event()
    transport.at(0.1, cancel.set)
    saving: dict[str, Any] = {"save_to": tmp_path / "lake.mp4"} if to_file else {}
    with pytest.raises(WaitCancelledError):
        client_of(transport).queue.poll("j1", cancel=cancel, **saving)
    assert transport.now() < 1
    assert len(transport.requests) == 2


def test_a_hanging_exchange_ends_at_its_read_timeout_when_it_was_cancelled(transport: Any) -> None:
    cancel = threading.Event()

    def hang(connection: Connection) -> None:
        connection.read_request()
        cancel.set()
        connection.until_closed()

    with serving(hang) as server:
        client = DecartClient(
            KEY, base_url=server.url, transport=transport, timeout=Timeout(read=0.3), retry=RetryPolicy(attempts=9)
        )
        with pytest.raises(WaitCancelledError):
            client.queue.poll("j1", cancel=cancel)
        assert len(server.requests) == 1


def a_byte_per_connection(connection: Connection) -> None:
    """Send one byte more of the video over each connection."""
    request = connection.read_request()
    while not request.target.endswith("/content"):
        connection.send(http(200, b'{"job_id": "j1", "status": "completed"}', {"Content-Type": "application/json"}))
        request = connection.read_request()
    start = int(request.headers.get("range", "bytes=0-")[6:-1])
    head = f'HTTP/1.1 206 P\r\nContent-Type: video/mp4\r\nETag: "v"\r\nContent-Length: {SIZE - start}\r\n'
    span = f"Content-Range: bytes {start}-{SIZE - 1}/{SIZE}\r\n\r\n"
    if start == 0:
        head, span = head.replace("206 P", "200 OK"), "\r\n"
    connection.send((head + span).encode() + b"\0")
    raise Gone


@pytest.mark.parametrize("name", ["requests", "urllib3"])
def test_a_server_that_sends_a_byte_per_connection_is_cut_off_by_the_total_timeout(tmp_path: Path, name: Any) -> None:
    with serving(a_byte_per_connection) as server:
        client = DecartClient(
            KEY,
            base_url=server.url,
            transport=name,
            timeout=Timeout(total=0.5),
            retry=RetryPolicy(attempts=3, interval=0.01, jitter=0),
        )
        with pytest.raises(QueueResultError):
            client.queue.download("j1", tmp_path / "lake.mp4")
        assert len(server.connections) < SIZE
    assert not (tmp_path / "lake.mp4").exists()


def test_the_total_timeout_is_checked_before_each_exchange() -> None:
    transport = FakeTransport(status("completed"), always(lambda: TransportTimeout("The service went silent.")))
    client = client_of(transport, timeout=Timeout(total=5), retry=RetryPolicy(attempts=100, interval=2, jitter=0))
    with pytest.raises(QueueResultError):
        list(client.queue.stream("j1"))
    assert transport.now() <= 6


DATES = ["Thu, 26 Nov 2026 10:00:30 GMT", "Thursday, 26-Nov-26 10:00:30 GMT", "Thu Nov 26 10:00:30 2026"]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("date", DATES, ids=["IMF-fixdate", "RFC 850", "asctime"])
def test_retry_after_is_utc_in_each_of_its_three_dates_whatever_the_time_zone_is(
    monkeypatch: pytest.MonkeyPatch, date: str, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        transport = FakeTransport(
            make_response(429, retry_after=date, date="Thu, 26 Nov 2026 10:00:00 GMT"),
            accepted(),
            status("completed"),
            video(),
        )
        assert client_of(transport).queue.submit_and_poll(LAKE).data == MP4
        assert transport.sleeps[0] == 30
    finally:
        monkeypatch.undo()
        time.tzset()
        assert os.environ.get("TZ") is None
