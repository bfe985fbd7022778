"""Handmade requests that the SDK would not send, to an emulator in this process or over HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

import attrs

from decart.emulator import Emulator, EmulatorServer, EmulatorTransport, VirtualClock
from decart.transports import HttpRequest, Timeout


@attrs.frozen
class BufferedResponse:
    """A response; the names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def wrong(self) -> list[tuple[list[str | int], str]]:
        """The location and type of each detail of a 422."""
        assert self.status == 422, self
        return [(detail["loc"], detail["type"]) for detail in self.json["detail"]]


class _Body:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._data])


class RawClient:
    """An emulator on a clock that a test advances, reached through its transport or its server."""

    def __init__(self, emulator: Emulator, clock: VirtualClock, transport: EmulatorTransport | EmulatorServer) -> None:
        self.emulator, self.clock = emulator, clock
        self._transport = transport

    @classmethod
    def within(cls, emulator: Emulator) -> RawClient:
        """Use an emulator in this process, for what is the same over HTTP."""
        transport = EmulatorTransport(emulator)
        return cls(emulator, transport.clock, transport)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        key: str | None = "dct_test",
        **headers: str,
    ) -> BufferedResponse:
        """Send a request; headers are given as keywords, with _ for -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["X-API-KEY"] = key
        if isinstance(self._transport, EmulatorServer):
            return _over_http(self._transport.url, method, path, body, sent)
        content = None if body is None else _Body(body)
        request = HttpRequest(method=method, url=f"http://emulator{path}", headers=sent, body=content)
        with self._transport.send(request, timeout=Timeout()) as response:
            return BufferedResponse(response.status, dict(response.headers), response.read())

    def get(self, path: str, **more: Any) -> BufferedResponse:
        return self.request("GET", path, **more)

    def form(
        self, path: str, texts: Mapping[str, str], files: Mapping[str, bytes] | None = None, **more: Any
    ) -> BufferedResponse:
        """Post a form, as multipart."""
        body = multipart(texts, files or {})
        return self.request("POST", path, body, Content_Type="multipart/form-data; boundary=x", **more)

    def urlencoded(self, path: str, texts: Mapping[str, str], **more: Any) -> BufferedResponse:
        """Post a form without files, as the old public Python client does."""
        kind = "application/x-www-form-urlencoded"
        return self.request("POST", path, urlencode(texts).encode(), Content_Type=kind, **more)

    def json(self, path: str, value: object, **more: Any) -> BufferedResponse:
        """Post JSON."""
        return self.request("POST", path, json.dumps(value).encode(), Content_Type="application/json", **more)

    def finished(self, submitted: BufferedResponse | None = None) -> str:
        """Complete a job, that of ``submitted`` or a new one, and return its ID."""
        job_id = (submitted or self.form("/v1/jobs/lucy-pro-t2v", {"prompt": "a lake"})).json["job_id"]
        self.clock.advance(60)
        while self.get(f"/v1/jobs/{job_id}").json["status"] == "processing":
            pass  # its renderer, in another thread, is nearly done
        return str(job_id)


def multipart(texts: Mapping[str, str], files: Mapping[str, bytes]) -> bytes:
    """Return a multipart form."""
    parts = [
        *((f'name="{name}"', text.encode()) for name, text in texts.items()),
        *((f'name="{name}"; filename="{name}.bin"', data) for name, data in files.items()),
    ]
    return (
        b"".join(
            b"--x\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (what.encode(), data) for what, data in parts
        )
        + b"--x--\r\n"
    )


def _over_http(url: str, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> BufferedResponse:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may be refused before it is sent completely
            connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        lower = {name.lower(): value for name, value in response.getheaders()}
        return BufferedResponse(response.status, lower, response.read())
    finally:
        connection.close()
