"""The id of a job, found in whatever a 2xx answer to a submit holds: it has been paid for.

The JSON may be cut, wrapped, in UTF-16, or have something before or after it. What is found is what the server meant,
or nothing: an id that may be cut itself, or one of several, is not used.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from typing import Any

WRAPPERS = ("data", "job", "result")
"""Keys under which an API may wrap what our page documents at the top."""

DEEPEST = 20
"""How deep an answer may be nested; ours has one level."""

TRIES = 20
"""How many commas from the beginning, and how many from the end, are tried as the place where good JSON ends."""

_ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},"]', re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}


def text_of(body: bytes) -> str:
    """Decode a body by its byte order mark, as JSON in UTF-16 without one, or as UTF-8."""
    for mark, encoding in _ENCODINGS.items():
        if body.startswith(mark):
            return body.decode(encoding, "replace")
    if re.match(rb"[{\[]\0|\0[{\[]", body):
        return body.decode("utf-16-le" if body[1:2] == b"\0" else "utf-16-be", "replace")
    return body.decode("utf-8", "replace")


def find_job(body: bytes) -> Mapping[str, Any] | None:
    """Return the JSON object that holds the ``job_id``, at the top, or in a wrapper or a list of one.

    If none does, it is the object at the top; if there is none, ``None``.
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
    """Decode the JSON at the start of a text; of one that is cut or broken, what is complete."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return _decode_beginning(text)
    return None if '"job_id"' in text[end:] else value  # two answers in one: which is ours?


def _decode_beginning(text: str) -> Any:
    """Decode as much of broken JSON as possible: all of it but an end that is missing, or else up to a comma."""
    cuts = _cuts(text)
    for end, closing in reversed(cuts[:TRIES] + cuts[TRIES:][-TRIES:]):
        try:
            return json.loads(text[:end] + closing)
        except (ValueError, RecursionError):
            continue
    return None


def _cuts(text: str) -> list[tuple[int, str]]:
    """Return where the text can be cut, and what would close it there: at its commas, and perhaps at its end."""
    cuts: list[tuple[int, str]] = []
    closing = ""
    for token in _TOKENS.finditer(text):
        kind = token[0]
        if kind == '"' or len(closing) > DEEPEST:  # a string without an end, or nothing of ours
            return cuts
        if kind in _CLOSING:
            closing = _CLOSING[kind] + closing
        elif kind == closing[:1]:
            closing = closing[1:]
        elif kind == ",":
            cuts.append((token.start(), closing))
    if text.rstrip()[-1:] in ('"', "}", "]"):  # not a number: its next digits may be missing
        cuts.append((len(text), closing))
    return cuts
