"""What the request log keeps of a request: no secret, and no more than a bounded text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import attrs

from .limits import FIELDS_LIMIT, HEADERS_LIMIT

SECRET = ("x-api-key", "authorization", "proxy-authorization", "cookie")
"""Headers whose value is not kept."""


@attrs.frozen(kw_only=True)
class LoggedRequest:
    """One request.

    Attributes:
        method: Its method.
        path: Its path, as text; at most 1,000 characters.
        route: Its kind: ``submit``, ``status``, ``content``, ``generate``, ``files``, ``tokens``, ``models``,
            ``verify`` or ``other``.
        at: When it arrived, in seconds on the emulator's clock.
        status: The HTTP status of the response, or None if the connection was dropped before it.
        job_id: The job that it is about, or that it created, even if the response was lost.
        key: The `fingerprint` of the API key; None without a key.
        headers: The headers, their names in lower case, with ``***`` for a secret; at most 8,000 characters.
        faults: The names of the faults that acted on it, or on the job that it created.
        received: How many bytes of a body were received.
        fields: The text fields of the form, if the emulator read it. Beyond 100,000 characters, the first ones, and
            a hash of the whole text.
        files: The names of the form's files.
    """

    method: str
    path: str
    route: str
    at: float
    status: int | None
    job_id: str | None
    key: str | None
    headers: Mapping[str, str]
    faults: tuple[str, ...]
    received: int
    fields: Mapping[str, str]
    files: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as the JSON of the control route."""
        return attrs.asdict(self)


def fingerprint(key: str) -> str:
    """Return what distinguishes one API key from another without revealing it: its kind, and eight digits of its hash.

    Example:
        >>> fingerprint("dct_test")
        'dct_…8a6fbb8e'
    """
    kind = next((start for start in ("dct_", "ek_", "eyJ") if key.startswith(start)), "")
    return f"{kind}…{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()[:8]}"


def safe(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without secrets, shortened."""
    named = {name.lower(): value for name, value in headers.items()}
    return short({name: "***" if name in SECRET else value for name, value in named.items()}, HEADERS_LIMIT)


def short(fields: Mapping[str, str], left: int = FIELDS_LIMIT) -> dict[str, str]:
    """Return names and values up to so many characters in all; a value that is longer ends with its hash."""
    kept = {}
    for name, value in fields.items():
        name = name or ""  # a part of a form may have no name
        if left <= len(name):
            break
        left -= len(name)
        kept[name] = value if len(value) <= left else value[:left] + mark(value)
        left = max(0, left - len(value))
    return kept


def route_of(method: str, path: str) -> tuple[str, str | None]:
    """Return the kind of a request, and the job that it is about."""
    match path.split("/")[1:]:
        case ["v1", "jobs", name]:
            return ("submit", None) if method == "POST" else ("status", name)
        case ["v1", "jobs", name, "content"]:
            return "content", name
        case ["v1", "generate", _]:
            return "generate", None
        case ["v1", "files", *_]:
            return "files", None
        case ["v1", "client", "tokens"]:
            return "tokens", None
        case ["v1", "models", _]:
            return "models", None
        case ["v1", "verify"]:
            return "verify", None
    return "other", None


def mark(value: str) -> str:
    """Return what stands for the rest of a value that is too long for the log."""
    digest = hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
    return f"... ({len(value):,} characters, SHA-256 {digest[:16]})"
