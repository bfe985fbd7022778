"""What each fault makes of an answer: another one, a broken one, or a body that is late, slow or cut short."""

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
<p>The network that you are in wants to talk to you first.</p>
"""

_NEEDED = {"submit": "job_id", "status": "status", "files": "id", "tokens": "apiKey"}


class Dropped(Exception):
    """The connection is to be cut, which WSGI has no words for: whoever carries the emulator over the wire does it.

    Attributes:
        reset: Whether it is cut with a reset; otherwise it ends politely, as if all had been said.
    """

    def __init__(self, reset: bool = True) -> None:
        super().__init__(reset)
        self.reset = reset


@attrs.frozen(kw_only=True)
class Answer:
    """An answer on its way out; ``close`` lets go of what its body comes from."""

    status: str
    headers: Headers
    body: Iterable[bytes]
    close: Callable[[], None] = lambda: None

    def header(self, name: str) -> str | None:
        """Return the value of a header."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def length(self) -> int | None:
        """Return how long the body will be, if that is said."""
        value = self.header("content-length")
        return int(value) if value is not None else None

    def with_headers(self, **changed: str) -> Answer:
        """Return it with other values for some headers: ``content_type=`` is the header Content-Type."""
        new = {name.replace("_", "-").title(): value for name, value in changed.items()}
        kept = [(name, value) for name, value in self.headers if name.title() not in new]
        return attrs.evolve(self, headers=[*kept, *new.items()])

    def with_body(self, body: bytes) -> Answer:
        """Return it with another body."""
        return attrs.evolve(self.with_headers(content_length=str(len(body))), body=[body])


def made(code: int, body: bytes = b"", kind: str = "application/json", **headers: str) -> Answer:
    """Make an answer of a status, a body and headers: ``retry_after=`` is the header Retry-After."""
    phrase = HTTPStatus(code).phrase if code in HTTPStatus._value2member_map_ else "Unknown"
    empty = Answer(status=f"{code} {phrase}", headers=[], body=[]).with_headers(**headers)
    if code in (204, 304) or not body:
        return empty.with_headers(content_length="0")
    return empty.with_headers(content_type=kind).with_body(body)


# ---------------------------------------------------------------- other answers


def _status(fault: Fault, path: str) -> Answer:
    code, headers = fault.code or 0, {}
    if fault.retry_after is not None:
        headers["retry_after"] = f"{fault.retry_after:g}"
    if fault.retry_after_date is not None:  # held against the emulator's own date, so that both are of one clock
        now = int(time.time())
        headers["date"] = formatdate(now, usegmt=True)
        headers["retry_after"] = formatdate(now + fault.retry_after_date, usegmt=True)
    detail = fault.detail or made(code).status.partition(" ")[2]
    return made(code, json.dumps({"detail": detail}).encode(), **headers)


def _html(fault: Fault, path: str) -> Answer:
    return made(fault.code or 0, PAGE, "text/html; charset=utf-8")


def _redirect(fault: Fault, path: str) -> Answer:
    return made(307, location=(fault.to or "").rstrip("/") + quote(path))


def _drop(fault: Fault, path: str) -> Answer:
    raise Dropped


INSTEAD: dict[str, Callable[[Fault, str], Answer]] = {
    "status": _status,
    "html": _html,
    "redirect": _redirect,
    "drop-before": _drop,
}
"""Answers in the place of the emulator's own, which does nothing then: made of the fault and the request's path."""


# ---------------------------------------------------------------- broken answers


def _bad_json(fault: Fault, answer: Answer, route: str) -> Answer:
    whole = b"".join(answer.body) if is_json(answer) else b'{"status": "completed"}'
    return answer.with_headers(content_type="application/json").with_body(whole[: max(1, len(whole) // 2)])


def _missing_field(fault: Fault, answer: Answer, route: str) -> Answer:
    return _changed(answer, lambda body: body.pop(fault.field or _NEEDED.get(route, ""), None))


def _unknown_status(fault: Fault, answer: Answer, route: str) -> Answer:
    return _changed(answer, lambda body: body.update(status=fault.word))


def _changed(answer: Answer, change: Callable[[dict[str, Any]], object]) -> Answer:
    """Change the JSON object of an answer, if it has one."""
    if not is_json(answer):
        return answer
    body = json.loads(b"".join(answer.body))
    change(body)
    return answer.with_body(json.dumps(body).encode())


def is_json(answer: Answer) -> bool:
    """Return whether a response is JSON and has a body."""
    return (answer.header("content-type") or "").startswith("application/json") and bool(answer.length())


def _drop_after(fault: Fault, answer: Answer, route: str) -> Answer:
    answer.close()
    raise Dropped


BROKEN: dict[str, Callable[[Fault, Answer, str], Answer]] = {
    "drop-after": _drop_after,
    "bad-json": _bad_json,
    "missing-field": _missing_field,
    "unknown-status": _unknown_status,
}
"""What becomes of the emulator's own answer to a request of this kind."""


# ---------------------------------------------------------------- bodies


def on_its_way(answer: Answer, faults: Iterable[Fault], sleep: Sleep) -> Answer:
    """Return an answer with a body that comes as slowly, and as far, as the faults say."""
    for fault in faults:
        if fault.name == "drip":
            answer = attrs.evolve(answer, body=_dripping(answer.body, fault.bytes or 1, fault.seconds or 0, sleep))
        elif fault.name == "stall" and fault.bytes is not None:
            answer = attrs.evolve(answer, body=_silent(answer.body, fault.bytes, fault.seconds or 0, sleep))
        elif fault.kind.part == "end":
            answer = _ended(answer, fault)
    return answer


def _ended(answer: Answer, fault: Fault) -> Answer:
    whole = answer.length() or 0
    stop = whole // 2 if fault.bytes is None else min(fault.bytes, whole)
    if fault.name != "cut-file":
        return attrs.evolve(answer, body=_cut(answer.body, stop, fault.name == "drop-midway"))
    return attrs.evolve(answer.with_headers(content_length=str(stop)), body=_first(answer.body, stop))


def _first(chunks: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Give the first so many bytes."""
    for chunk in chunks:
        if count <= 0:
            return
        yield chunk[:count]
        count -= len(chunk)


def _cut(chunks: Iterable[bytes], count: int, reset: bool) -> Iterator[bytes]:
    yield from _first(chunks, count)
    raise Dropped(reset)


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
