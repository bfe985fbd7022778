"""A submit with an interim response may be billed, and no late response reaches the next call."""

from __future__ import annotations

import json
import threading

import pytest
from support.fakes import KEY, LAKE
from support.servers import PATIENCE, Connection, http, serving

from decart import DecartClient, SubmitOutcomeUnknownError
from decart.transports.base import Transport


def accepted(job_id: str) -> bytes:
    return http(200, json.dumps({"job_id": job_id, "status": "pending"}).encode())


@pytest.mark.parametrize("interims", [[102], [103], [199], [103, 103, 102]], ids=str)
def test_two_submits_never_get_one_id(kind: str, transport: Transport, interims: list[int]) -> None:
    skips = kind.startswith("aiohttp")
    go_on = threading.Event()
    if skips:
        go_on.set()

    def script(connection: Connection) -> None:
        number = connection.number
        while True:
            connection.read_request()
            if number == 1:
                connection.send(b"".join(b"HTTP/1.1 %d Interim\r\nLink: </x>\r\n\r\n" % code for code in interims))
                assert go_on.wait(PATIENCE)
            connection.send(accepted(f"job-{number}"))
            if number == 1:
                connection.until_closed()

    with serving(script) as server, DecartClient(KEY, base_url=server.url, transport=transport) as client:
        if skips:
            assert client.queue.submit(LAKE).job_id == "job-1"
            return
        with pytest.raises(SubmitOutcomeUnknownError):
            client.queue.submit(LAKE)
        go_on.set()
        assert client.queue.submit(LAKE).job_id == "job-2"
        assert len(server.requests) == 2
