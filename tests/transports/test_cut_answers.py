"""Any response that is cut at any byte gives the right value or an error, and never a wrong value."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.exchanges import TRANSPORTS, exchange
from support.fakes import KEY, LAKE, MP4
from support.servers import FIRST, Connection, serving

from decart import DecartClient, DecartSDKError, RetryPolicy, SubmitOutcomeUnknownError
from decart.config import settings
from decart.downloads import Download
from decart.responses import BufferedResponse

JOB = json.dumps({"job_id": "job-1234567", "status": "completed", "queue": {"place": 0}}).encode()
FRAMINGS = ["length", "chunks", "the end of the connection"]
ONCE = RetryPolicy(attempts=1)


def framed(kind: str, body: bytes, framing: str) -> bytes:
    head = FIRST + f"Server: theirs\r\nContent-Type: {kind}\r\n".encode()
    if framing == "length":
        return head + b"Content-Length: %d\r\nETag: v1\r\n\r\n" % len(body) + body
    if framing == "chunks":
        pieces = [body[:17], body[17:]]
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    return head + b"\r\n" + body


class Cutting:
    """A server that cuts each response at a certain byte."""

    def __init__(self) -> None:
        self.answer = b""

    def __call__(self, connection: Connection) -> None:
        connection.read_request()
        connection.send(self.answer)


untimed = hypothesis_settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
every_framing = pytest.mark.parametrize("framing", FRAMINGS)


@every_framing
@pytest.mark.parametrize("kind", ["requests", "urllib3", "threaded", "aiohttp"])
def test_a_cut_response_to_a_submit(kind: str, framing: str) -> None:
    whole, cutting = framed("application/json", JOB, framing), Cutting()
    with serving(cutting) as server:
        client = DecartClient(KEY, base_url=server.url, transport=TRANSPORTS[kind](), retry=ONCE)

        @untimed
        @given(st.integers(0, len(whole)))
        def check(end: int) -> None:
            cutting.answer = whole[:end]
            try:
                assert client.queue.submit(LAKE).job_id == "job-1234567"
            except SubmitOutcomeUnknownError:
                assert end < len(whole)

        with client:
            check()


@every_framing
@pytest.mark.parametrize("kind", ["requests", "urllib3", "threaded", "aiohttp"])
def test_a_cut_response_to_a_status_check(kind: str, framing: str) -> None:
    whole, cutting = framed("application/json", JOB, framing), Cutting()
    with serving(cutting) as server:
        client = DecartClient(KEY, base_url=server.url, transport=TRANSPORTS[kind](), retry=ONCE)

        @untimed
        @given(st.integers(0, len(whole)))
        def check(end: int) -> None:
            cutting.answer = whole[:end]
            try:
                assert client.queue.status("job-1234567").status == "completed"
            except DecartSDKError:
                assert end < len(whole)

        with client:
            check()


@every_framing
@pytest.mark.parametrize("kind", ["requests", "urllib3", "threaded", "aiohttp"])
def test_a_cut_video(kind: str, framing: str) -> None:
    whole, cutting = framed("video/mp4", MP4, framing), Cutting()
    transport = TRANSPORTS[kind]()
    with serving(cutting) as server:
        client = settings(KEY, server.url, None, None)

        @untimed
        @given(st.integers(0, len(whole)))
        def check(end: int) -> None:
            cutting.answer = whole[:end]
            download = Download(job_id="job-1234567", settings=client, retry=ONCE)
            try:
                status, headers, body = exchange(transport, download.next_request())
                assert download.observe_head(BufferedResponse(status=status, headers=headers))
                if (flaw := download.observe_data(body)) is not None:
                    raise flaw
                download.observe_end(0)
                assert body == MP4
            except DecartSDKError:
                assert end < len(whole)

        try:
            check()
        finally:
            transport.close()
