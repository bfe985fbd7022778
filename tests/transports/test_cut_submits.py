"""The ID in a submit response that breaks off after it is used; otherwise the part that arrived is reported.

A refusal is a refusal as soon as its status arrived."""

from __future__ import annotations

import pytest
from support.fakes import KEY, LAKE
from support.servers import FIRST, reply, serving

from decart import DecartClient, QueueSubmitError, SubmitOutcomeUnknownError
from decart.transports.base import Transport

JSON = b"Content-Type: application/json\r\n"
FRAMINGS = {
    "a length": FIRST + JSON + b"Location: /v1/jobs/j-1\r\nContent-Length: 500\r\n\r\n%s",
    "chunks": FIRST + JSON + b"Location: /v1/jobs/j-1\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n%s",
    "nothing": FIRST + JSON + b"Location: /v1/jobs/j-1\r\n\r\n%s",
}


@pytest.mark.parametrize("framing", FRAMINGS)
def test_an_id_that_arrived_is_used(transport: Transport, framing: str) -> None:
    data = FRAMINGS[framing] % b'{"job_id": "j-1", "sta'
    with serving(reply(data)) as server, DecartClient(KEY, base_url=server.url, transport=transport) as client:
        assert client.queue.submit(LAKE).job_id == "j-1"


@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_part_that_arrived_is_reported(transport: Transport, framing: str) -> None:
    data = FRAMINGS[framing] % b'{"job_id": "j-'
    with (
        serving(reply(data)) as server,
        DecartClient(KEY, base_url=server.url, transport=transport) as client,
        pytest.raises(SubmitOutcomeUnknownError) as caught,
    ):
        client.queue.submit(LAKE)
    assert caught.value.data["body"] == '{"job_id": "j-'
    assert caught.value.data["location"] == "/v1/jobs/j-1"


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 410, 413, 422])
def test_a_refusal_that_breaks_off_is_a_refusal(transport: Transport, code: int) -> None:
    data = b"HTTP/1.1 %d Refused\r\n" % code + JSON + b"Content-Length: 500\r\n\r\n" + b'{"detail": "No su'
    with (
        serving(reply(data)) as server,
        DecartClient(KEY, base_url=server.url, transport=transport) as client,
        pytest.raises(QueueSubmitError) as caught,
    ):
        client.queue.submit(LAKE)
    assert caught.value.status_code == code
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [408, 500, 502])
def test_a_failure_that_breaks_off_is_an_unknown_outcome(transport: Transport, code: int) -> None:
    data = b"HTTP/1.1 %d Failed\r\n" % code + JSON + b"Content-Length: 500\r\n\r\n" + b'{"detail": "No su'
    with (
        serving(reply(data)) as server,
        DecartClient(KEY, base_url=server.url, transport=transport) as client,
        pytest.raises(SubmitOutcomeUnknownError),
    ):
        client.queue.submit(LAKE)
    assert len(server.requests) == 1
