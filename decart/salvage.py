"""Find the id of a job that was paid for in a malformed 2xx response to a submit.

The JSON may be truncated, wrapped, in UTF-16, or surrounded by other text. An ambiguous id is not used: one that may be
truncated itself, or one of several.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from typing import Any

WRAPPERS = ("data", "job", "result")
"""Keys under which an API may nest what is documented at the top level."""

MAX_DEPTH = 20
"""Levels of nesting that are read; a real response has one."""

MAX_CUTS = 20
"""Commas, from the start and from the end each, that are tried as the place where valid JSON ends."""

_ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},"]', re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}


def text_of(body: bytes) -> str:
    """Decode a body by its byte order mark, as UTF-16 if it is JSON in that without a mark, or else as UTF-8."""
    for mark, encoding in _ENCODINGS.items():
        if body.startswith(mark):
            return body.decode(encoding, "replace")
    if re.match(rb"[{\[]\0|\0[{\[]", body):
        return body.decode("utf-16-le" if body[1:2] == b"\0" else "utf-16-be", "replace")
    return body.decode("utf-8", "replace")


def find_job(body: bytes) -> Mapping[str, Any] | None:
    """Return the JSON object that has the ``job_id``: at the top level, in a wrapper or in a list of one.

    If there is no id, return the top-level object; if there is no object, ``None``.
    """
    text = text_of(body)
    start = re.search(r"[{\[]", text)
    value = None if start is None else _decode(text[start.start() :])
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    if not isinstance(value, dict):
        return None
    inner = [value.get(name) for name in WRAPPERS]
    return next((job for job in (value, *inner) if isinstance(job, dict) and job.get("job_id") is not None), value)


def _decode(text: str) -> Any:
    """Decode the JSON at the start of a text; if it is truncated or broken, decode what is complete."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
        return None if '"job_id"' in text[end:] else value  # there are two responses, and no way to tell which is ours
    except (ValueError, RecursionError):
        pass
    cuts = _cuts(text)
    for end, closing in reversed(cuts[:MAX_CUTS] + cuts[MAX_CUTS:][-MAX_CUTS:]):
        try:
            return json.loads(text[:end] + closing)
        except (ValueError, RecursionError):
            continue
    return None


def _cuts(text: str) -> list[tuple[int, str]]:
    """Return where a text can be cut (at commas, perhaps at its end), and the brackets that would close it there."""
    cuts: list[tuple[int, str]] = []
    closing = ""
    for token in _TOKENS.finditer(text):
        kind = token[0]
        if kind == '"' or len(closing) > MAX_DEPTH:  # an unterminated string, or nothing of ours
            return cuts
        if kind in _CLOSING:
            closing = _CLOSING[kind] + closing
        elif kind == closing[:1]:
            closing = closing[1:]
        elif kind == ",":
            cuts.append((token.start(), closing))
    if text.rstrip()[-1:] in ('"', "}", "]"):  # a number at the end may be truncated
        cuts.append((len(text), closing))
    return cuts
