"""Pictures, and responses to a request for one."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from decart import TransportError, models
from decart.transports.base import HttpResponse
from support.fakes import make_response


def picture(kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (24, 16), "teal").save(file, kind)
    return file.getvalue()


PNG = picture()
I2I = models.image("lucy-image-2")
HAT: Any = {"model": I2I, "prompt": "A hat", "data": b"a face"}


def image(data: bytes = PNG, kind: str = "image/png", **headers: str) -> HttpResponse:
    return make_response(200, data, content_type=kind, content_length=str(len(data)), **headers)


def unframed(data: bytes, kind: str = "image/png") -> HttpResponse:
    return make_response(200, data, content_type=kind)


def part_of(data: bytes) -> HttpResponse:
    """Respond with the first half of a picture, as if that had been asked for."""
    half = data[: len(data) // 2]
    headers = {"content_range": f"bytes 0-{len(half) - 1}/{len(data)}", "content_length": str(len(half))}
    return make_response(206, half, content_type="image/png", **headers)


def cut(data: bytes, kind: str = "image/png", status: int = 200, length: int | None = None) -> Any:
    """Respond with the beginning of a body, after which the connection breaks off."""

    def chunks() -> Any:
        yield data
        raise TransportError("The connection broke off.")

    headers = {"Content-Type": kind, **({} if length is None else {"Content-Length": str(length)})}
    return lambda request: HttpResponse(status, headers, chunks())
