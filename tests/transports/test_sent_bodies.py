"""Request bodies as they are sent: in blocks of 64 KiB, at most once, equal to their bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exchanges import LONG, Parts, caught, exchange, post
from support.faces import TRANSPORTS, sync_face
from support.fakes import KEY
from support.servers import PATIENCE, answering, http, serving, silent

from decart import DecartClient, InvalidInputError, TransportError, models
from decart.transports.base import HttpRequest, Transport
from decart.transports.body import BLOCK, SentBody

ACCEPTED = http(200, b'{"job_id": "j1", "status": "pending"}', {"Content-Type": "application/json"})


@pytest.fixture(params=TRANSPORTS)
def any_transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    transport = sync_face(request.param)
    yield transport
    transport.close()


# ---------------------------------------------------------------- blocks


def test_small_parts_are_joined_and_large_ones_cut() -> None:
    half = bytes(BLOCK // 2)
    parts = Parts((b"a", b"b", half, half, b"c" * BLOCK * 2, b"", b"d"))
    blocks = list(SentBody(parts))
    assert [len(block) for block in blocks] == [BLOCK] * 3 + [3]
    assert b"".join(blocks) == b"".join(parts)


@given(st.lists(st.sampled_from([0, 1, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK]), max_size=6))
def test_all_blocks_but_the_last_are_full_and_nothing_is_lost(sizes: list[int]) -> None:
    parts = Parts(tuple(bytes([number]) * size for number, size in enumerate(sizes)))
    blocks = list(SentBody(parts))
    assert b"".join(blocks) == b"".join(parts)
    assert all(len(block) == BLOCK for block in blocks[:-1])
    assert all(0 < len(block) <= BLOCK for block in blocks)


@attrs.frozen
class Counted(Parts):
    """A body that counts how many of its pieces were asked for."""

    pieces: tuple[bytes, ...] = (bytes(BLOCK),) * 512
    asked: list[int] = attrs.field(factory=list)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.asked.append(len(piece))
            yield piece


def test_a_body_is_read_as_it_is_sent_and_not_ahead(any_transport: Transport) -> None:
    body = Counted()
    with serving(lambda connection: connection.reset()) as server:
        caught(TransportError, lambda: exchange(any_transport, post(server.url, body)))
    assert len(body.asked) < len(body.pieces)


# ---------------------------------------------------------------- once


def test_a_body_that_is_read_twice_is_refused() -> None:
    body = SentBody(Parts())
    assert not body.touched
    assert b"".join(body) == b"one,two,three"
    assert body.touched
    assert "tried to send the request again" in caught(TransportError, lambda: list(body)).message


def test_each_exchange_sends_the_body_from_its_start(any_transport: Transport) -> None:
    body = Parts((b"x" * BLOCK, b"the end"))
    with serving(answering(lambda request, number: ACCEPTED)) as server:
        for _ in range(2):
            exchange(any_transport, post(server.url, body))
        assert [request.body for request in server.requests] == [b"".join(body)] * 2
        assert bytes(server.connections[0].received).count(b"the end") == 2


class Stop(Exception):
    """Raised by `may_start`."""


def test_may_start_is_asked_before_the_body_is_and_may_stop_it() -> None:
    def stop() -> None:
        raise Stop

    body = SentBody(Parts(), stop)
    error = caught(Stop, lambda: list(body))
    assert (body.touched, body.error) == (False, error)


def test_a_request_that_may_not_start_sends_nothing_of_its_body(any_transport: Transport) -> None:
    asked: list[int] = []

    def stop() -> None:
        asked.append(server.connection(1).number)
        raise TransportError("The client was closed.", may_have_been_sent=False)

    with serving(silent) as server:
        request = attrs.evolve(post(server.url), may_start=stop)
        error = caught(TransportError, lambda: exchange(any_transport, request))
        assert server.connection(1).closed.wait(PATIENCE)
        assert not server.requests
        assert b"one," not in server.connections[0].received
    assert (error.message, error.may_have_been_sent) == ("The client was closed.", False)
    assert asked == [1], "it is asked once, when there is a connection"


def test_an_exception_of_reading_a_body_is_kept_and_raised() -> None:
    class Shrunk(Parts):
        def __iter__(self) -> Iterator[bytes]:
            yield b"one,"
            raise InvalidInputError("data: the file became shorter while it was sent.")

    body = SentBody(Shrunk())
    error = caught(InvalidInputError, lambda: list(body))
    assert (body.touched, body.error) == (True, error)


# ---------------------------------------------------------------- comparing


def test_a_body_equals_its_bytes() -> None:
    body, data = SentBody(Parts()), b"one,two,three"
    assert bytes(body) == data
    assert len(body) == len(data)
    assert body == data
    assert data == body
    assert body == SentBody(Parts((data,)))
    assert body != data[:-1]
    assert body != data.decode()
    assert not body.touched, "comparing is not sending"
    assert hash(body) == hash(body)


# ---------------------------------------------------------------- a file


def test_a_file_arrives_as_one_multipart_part_of_exactly_its_bytes(tmp_path: Path) -> None:
    data = os.urandom(600_000)
    path = tmp_path / 'a"b.mp4'
    path.write_bytes(data)
    with (
        serving(answering(lambda request, number: ACCEPTED)) as server,
        DecartClient(KEY, base_url=server.url, timeout=LONG) as client,
    ):
        client.queue.submit({"model": models.video("lucy-clip"), "prompt": "snow", "data": path})
        [request] = server.requests
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    parts = request.body.split(b"--" + boundary)
    assert request.headers["content-length"] == str(len(request.body))
    assert "transfer-encoding" not in request.headers
    assert (parts[0], parts[-1]) == (b"", b"--\r\n")
    heads = [part.partition(b"\r\n\r\n")[0] for part in parts]
    place = next(number for number, head in enumerate(heads) if b"filename=" in head)
    assert b'name="data"; filename="a%22b.mp4"\r\nContent-Type: video/mp4' in heads[place]
    assert parts[place].partition(b"\r\n\r\n")[2] == data + b"\r\n"


def test_a_post_without_a_body_is_sent(any_transport: Transport) -> None:
    with serving(answering(lambda request, number: ACCEPTED)) as server:
        request = HttpRequest(method="POST", url=server.url + "/v1/jobs", headers={"Content-Length": "0"})
        assert exchange(any_transport, request)[0] == 200
        assert server.requests[0].body == b""
