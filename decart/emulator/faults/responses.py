"""How faults change a response: another one, a broken one, or a body that is late, slow or cut off."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import attrs

from .fault import Fault

Sleep = Callable[[float], None]

Headers = list[tuple[str, str]]

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


@attrs.frozen(kw_only=True)
class WsgiResponse:
    """A WSGI application's response; ``close`` releases the source of its body."""

    status: str
    headers: Headers
    body: Iterable[bytes]
    close: Callable[[], None] = lambda: None

    def header(self, name: str) -> str | None:
        """Return the value of a header."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def length(self) -> int | None:
        """Return the announced length of the body, if there is one."""
        value = self.header("content-length")
        return int(value) if value is not None else None

    def with_headers(self, **changed: str) -> WsgiResponse:
        """Return a copy with these headers: ``content_type=`` is the header Content-Type."""
        new = {name.replace("_", "-").title(): value for name, value in changed.items()}
        kept = [(name, value) for name, value in self.headers if name.title() not in new]
        return attrs.evolve(self, headers=[*kept, *new.items()])

    def with_body(self, body: bytes) -> WsgiResponse:
        """Return a copy with another body."""
        return attrs.evolve(self.with_headers(content_length=str(len(body))), body=[body])


def make_response(code: int, body: bytes = b"", kind: str = "application/json", **headers: str) -> WsgiResponse:
    """Return a response; ``retry_after=`` is the header Retry-After."""
    phrase = HTTPStatus(code).phrase if code in HTTPStatus._value2member_map_ else "Unknown"
    empty = WsgiResponse(status=f"{code} {phrase}", headers=[], body=[]).with_headers(**headers)
    if code in (204, 304) or not body:
        return empty.with_headers(content_length="0")
    return empty.with_headers(content_type=kind).with_body(body)


# ---------------------------------------------------------------- replacements


def _status(fault: Fault, path: str) -> WsgiResponse:
    code, headers = fault.code or 0, {}
    if fault.retry_after is not None:
        headers["retry_after"] = f"{fault.retry_after:g}"
    if fault.retry_after_date is not None:  # with the emulator's Date, so that both come from one clock
        now = int(time.time())
        headers["date"] = formatdate(now, usegmt=True)
        headers["retry_after"] = formatdate(now + fault.retry_after_date, usegmt=True)
    detail = fault.detail or make_response(code).status.partition(" ")[2]
    return make_response(code, json.dumps({"detail": detail}).encode(), **headers)


def _html(fault: Fault, path: str) -> WsgiResponse:
    return make_response(fault.code or 0, PAGE, "text/html; charset=utf-8")


def _redirect(fault: Fault, path: str) -> WsgiResponse:
    return make_response(307, location=(fault.to or "").rstrip("/") + quote(path))


def _drop(fault: Fault, path: str) -> WsgiResponse:
    raise ConnectionDropped


REPLACEMENTS: dict[str, Callable[[Fault, str], WsgiResponse]] = {
    "status": _status,
    "html": _html,
    "redirect": _redirect,
    "drop-before": _drop,
}
"""Responses instead of the application's, which is not called: from the fault and the request's path."""


# ---------------------------------------------------------------- modifications


def _bad_json(fault: Fault, response: WsgiResponse, route: str) -> WsgiResponse:
    whole = b"".join(response.body) if is_json(response) else b'{"status": "completed"}'
    return response.with_headers(content_type="application/json").with_body(whole[: max(1, len(whole) // 2)])


def _missing_field(fault: Fault, response: WsgiResponse, route: str) -> WsgiResponse:
    return _changed(response, lambda body: body.pop(fault.field or _NEEDED.get(route, ""), None))


def _unknown_status(fault: Fault, response: WsgiResponse, route: str) -> WsgiResponse:
    return _changed(response, lambda body: body.update(status=fault.word))


def _changed(response: WsgiResponse, change: Callable[[dict[str, Any]], object]) -> WsgiResponse:
    """Change the JSON object of a response, if it has one."""
    if not is_json(response):
        return response
    body = json.loads(b"".join(response.body))
    change(body)
    return response.with_body(json.dumps(body).encode())


def is_json(response: WsgiResponse) -> bool:
    """Return whether a response is JSON and has a body."""
    return (response.header("content-type") or "").startswith("application/json") and bool(response.length())


def _drop_after(fault: Fault, response: WsgiResponse, route: str) -> WsgiResponse:
    response.close()
    raise ConnectionDropped


MODIFICATIONS: dict[str, Callable[[Fault, WsgiResponse, str], WsgiResponse]] = {
    "drop-after": _drop_after,
    "bad-json": _bad_json,
    "missing-field": _missing_field,
    "unknown-status": _unknown_status,
}
"""Changes of the application's response, from the fault and the route."""


# ---------------------------------------------------------------- bodies


def with_body_faults(response: WsgiResponse, faults: Iterable[Fault], sleep: Sleep) -> WsgiResponse:
    """Return a response whose body is as slow, and ends as early, as the faults say."""
    for fault in faults:
        if fault.name == "drip":
            body = _dripping(response.body, fault.bytes or 1, fault.seconds or 0, sleep)
            response = attrs.evolve(response, body=body)
        elif fault.name == "stall" and fault.bytes is not None:
            response = attrs.evolve(response, body=_silent(response.body, fault.bytes, fault.seconds or 0, sleep))
        elif fault.kind.part == "end":
            response = _end_early(response, fault)
    return response


def _end_early(response: WsgiResponse, fault: Fault) -> WsgiResponse:
    whole = response.length() or 0
    stop = whole // 2 if fault.bytes is None else min(fault.bytes, whole)
    if fault.name != "cut-file":
        return attrs.evolve(response, body=_cut(response.body, stop, fault.name == "drop-midway"))
    return attrs.evolve(response.with_headers(content_length=str(stop)), body=_first(response.body, stop))


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
