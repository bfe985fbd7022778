"""What faults do: to a response, to the body that is sent, and to a job."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from werkzeug.http import HTTP_STATUS_CODES, http_date
from werkzeug.wrappers import Response

from ..checks import number_text
from ..messages import reply
from ..render import RenderError, RenderJob
from .fault import Fault

Sleep = Callable[[float], None]

PAGE = b"""<!doctype html>
<title>Please wait</title>
<h1>Please wait</h1>
<p>This network requires you to log in first.</p>
"""

_NEEDED = {"submit": "job_id", "status": "status", "files": "id", "tokens": "apiKey"}


class ConnectionDropped(Exception):
    """The connection is to be dropped, by the server or the transport.

    Attributes:
        reset: Whether it is reset; otherwise it is closed cleanly, as after a complete response.
    """

    def __init__(self, reset: bool = True) -> None:
        super().__init__(reset)
        self.reset = reset


def replacement(fault: Fault, path: str) -> Response | None:
    """Return the response to send instead of carrying out the request; ``None`` if it is to be carried out."""
    match fault.name:
        case "status":
            code = fault.code or 503
            response = reply({"detail": fault.detail or HTTP_STATUS_CODES.get(code, "Unknown")}, code)
            if fault.retry_after is not None:
                response.headers["Retry-After"] = number_text(fault.retry_after)
            if fault.retry_after_date is not None:  # with the emulator's Date, so that both come from one clock
                now = int(time.time())
                response.headers["Date"] = http_date(now)
                response.headers["Retry-After"] = http_date(now + fault.retry_after_date)
            return response
        case "html":
            return Response(PAGE, fault.code, mimetype="text/html")
        case "redirect":
            return Response(b"", 307, {"Location": (fault.to or "").rstrip("/") + quote(path)})
        case "drop-before":
            return Response()
    return None


def modify(fault: Fault, response: Response, route: str) -> None:
    """Break the response to a request that was carried out."""
    has_json = response.is_json and bool(response.content_length)
    if fault.name == "bad-json":
        data = response.get_data() if has_json else b'{"status": "completed"}'
        response.mimetype = "application/json"
        response.set_data(data[: max(1, len(data) // 2)])
    elif fault.name in ("missing-field", "unknown-status") and has_json:
        body = response.get_json()
        if fault.name == "missing-field":
            body.pop(fault.field or _NEEDED.get(route, ""), None)
        else:
            body["status"] = fault.word
        response.set_data(json.dumps(body))


def send_slowly_or_partly(response: Response, faults: Iterable[Fault], sleep: Sleep) -> None:
    """Make the body of a response as slow, and end as early, as the faults say."""
    for fault in faults:
        chunks: Iterable[bytes] = response.iter_encoded()
        size = response.content_length or 0
        end = size // 2 if fault.bytes is None else min(fault.bytes, size)
        match fault.name:
            case "drip":
                response.response = _dripping(chunks, fault.bytes or 1, fault.seconds or 0, sleep)
            case "stall" if fault.bytes is not None:
                response.response = _silent(chunks, fault.bytes, fault.seconds or 0, sleep)
            case "drop-midway" | "truncate":
                response.response = _cut(chunks, end, reset=fault.name == "drop-midway")
            case "cut-file":
                response.response = _first(chunks, end)
                response.content_length = end


def _first(chunks: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Yield the first so many bytes."""
    for chunk in chunks:
        if count <= 0:
            return
        yield chunk[:count]
        count -= len(chunk)


def _cut(chunks: Iterable[bytes], count: int, reset: bool) -> Iterator[bytes]:
    yield from _first(chunks, count)
    raise ConnectionDropped(reset)


def _dripping(chunks: Iterable[bytes], size: int, seconds: float, sleep: Sleep) -> Iterator[bytes]:
    pieces = (chunk[at : at + size] for chunk in chunks for at in range(0, len(chunk), size))
    for number, piece in enumerate(pieces):
        if number:
            sleep(seconds)
        yield piece


def _silent(chunks: Iterable[bytes], count: int, seconds: float, sleep: Sleep) -> Iterator[bytes]:
    sent = 0
    for chunk in chunks:
        if sent <= count < sent + len(chunk):
            yield from filter(None, [chunk[: count - sent]])
            sleep(seconds)
            yield chunk[count - sent :]
        else:
            yield chunk
        sent += len(chunk)


def renderer_for(fault: Fault) -> Callable[[RenderJob, Path], None] | None:
    """Return the renderer of a job with this fault, or ``None`` for a job that never ends."""
    if fault.name == "job-never-ends":
        return None
    if fault.name == "empty-result":
        return lambda order, target: target.touch()

    def fail(order: RenderJob, target: Path) -> None:
        raise RenderError(fault.reason or "")

    return fail
