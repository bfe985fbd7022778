"""Rare cases of downloads, bodies and transports: early ends, flawed chunks, forks, a bar in a notebook."""

from __future__ import annotations

import asyncio
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from support.exchanges import HEADERS, LONG, exchange, get, large, post
from support.fakes import KEY, FakeTransport, client_of, make_response, status
from support.servers import PATIENCE, Connection, answering, http, serving

from decart import (
    AiohttpTransport,
    AsyncDecartClient,
    ConfigurationError,
    QueueResultError,
    RequestsTransport,
    RetryPolicy,
    ThreadedTransport,
    Urllib3Transport,
)
from decart.transports.base import HttpRequest

ONCE = RetryPolicy(attempts=1)


def part(body: bytes, span: str, **headers: str) -> Any:
    return make_response(206, body, content_range=span, content_type="video/mp4", **headers)


def test_a_part_of_a_video_of_unknown_length_ends_where_the_server_says() -> None:
    sent = part(bytes(100), "bytes 100-199/*", etag='"v"', content_length="100")
    client = client_of(FakeTransport(status("completed"), sent), retry=ONCE)
    assert b"".join(client.queue.stream("j1", range="bytes=100-199")) == bytes(100)


def test_a_part_that_stops_before_its_own_end_is_an_error() -> None:
    client = client_of(FakeTransport(status("completed"), part(bytes(50), "bytes 0-99/1000")), retry=ONCE)
    with pytest.raises(QueueResultError, match="ended 50 bytes too early"):
        list(client.queue.stream("j1", range="bytes=0-99"))


def test_an_awaited_download_of_a_page_that_calls_itself_a_video_is_an_error(tmp_path: Path) -> None:
    page = b"<html><title>Please log in</title></html>"
    script = status("completed"), make_response(200, page, content_type="video/mp4", content_length=str(len(page)))

    async def main() -> None:
        client = AsyncDecartClient(KEY, transport=FakeTransport(*script), retry=ONCE)
        with pytest.raises(QueueResultError):
            await client.queue.download("j1", tmp_path / "lake.mp4")

    asyncio.run(main())
    assert not (tmp_path / "lake.mp4").exists()


@pytest.mark.parametrize("kind", [RequestsTransport, Urllib3Transport])
def test_an_invalid_url_is_a_configuration_error(kind: Any) -> None:
    transport = kind()
    with pytest.raises(ConfigurationError, match="nothing was sent"):
        exchange(transport, HttpRequest(method="GET", url="http://[", headers=HEADERS))
    transport.close()


def test_a_threaded_transport_restarts_after_a_fork_and_yields_a_json_body_in_chunks() -> None:
    async def main(url: str) -> None:
        transport = ThreadedTransport(RequestsTransport())
        for _ in range(2):
            async with await transport.asend(get(url), timeout=LONG) as response:
                assert b"".join([chunk async for chunk in response.achunks()]) == b"{}"
            transport.after_fork()
        await transport.aclose()

    with serving(answering(lambda request, number: http(200, b"{}", {"Content-Type": "application/json"}))) as server:
        asyncio.run(main(server.url))


def test_a_body_may_continue_after_an_early_response_over_aiohttp() -> None:
    def refuse(connection: Connection) -> None:
        connection.read_head()
        connection.send(http(413, b"no, thanks"))
        connection.until_closed()

    async def main(url: str) -> None:
        transport = AiohttpTransport()
        async with await transport.asend(post(url, large()), timeout=LONG) as response:
            assert (response.status, await response.aread()) == (413, b"no, thanks")
            connection = server.connection(1)
            for _ in range(1000):
                if len(connection.received) > 1_000_000 or connection.closed.is_set():
                    break
                await asyncio.sleep(0)
        await transport.aclose()
        assert await asyncio.to_thread(connection.closed.wait, PATIENCE)

    with serving(refuse) as server:
        asyncio.run(main(server.url))


def test_a_bar_is_shown_in_a_notebook_although_its_stderr_is_not_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    size = {"content_type": "video/mp4", "content_length": "100"}
    client = client_of(FakeTransport(status("completed"), make_response(200, bytes(100), **size)))
    client.queue.download("j1", tmp_path / "lake.mp4", progress=True)
    assert "100" in capsys.readouterr().err
