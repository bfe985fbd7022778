"""Send handmade requests to an emulator over HTTP."""

from __future__ import annotations

import http.client
import io
from collections.abc import Mapping
from urllib.parse import urlsplit

import attrs
from PIL import Image

KEY = "dct_conformance"
FORM = "multipart/form-data; boundary=x"


@attrs.frozen(kw_only=True)
class Received:
    """A response, and the method and path of its request."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes


def exchange(url: str, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Received:
    """Send a request on a connection of its own, and return the response."""
    given = {"Content-Length": str(len(body)), "Connection": "close", **headers}
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.putrequest(method, path)
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return Received(
            method=method,
            path=path,
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            body=response.read(),
        )
    finally:
        connection.close()


def multipart(fields: dict[str, str | bytes]) -> bytes:
    """Return a form; bytes are a file."""
    body = b""
    for name, value in fields.items():
        file = f'; filename="{name}.png"' if isinstance(value, bytes) else ""
        data = value if isinstance(value, bytes) else value.encode()
        body += f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
    return body + b"--x--\r\n"


def picture() -> bytes:
    """Return a small picture."""
    file = io.BytesIO()
    Image.new("RGB", (24, 16), "teal").save(file, "PNG")
    return file.getvalue()
