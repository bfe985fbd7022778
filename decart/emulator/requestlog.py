"""The request log of an emulator, which a test can read."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import attrs

from .limits import FIELDS_LIMIT, HEADERS_LIMIT, LOG_LIMIT

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
        fields: The text fields of the form, if the emulator read it; at most 10,000 characters.
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


class RequestLog(Sequence[LoggedRequest]):
    """The latest 10,000 requests at most, in the order in which their responses began.

    Example:
        >>> len(emulator.requests.submits)
        1
        >>> emulator.requests.polls(job.job_id)
        [0.5, 1.25]
    """

    def __init__(self) -> None:
        self._kept: deque[LoggedRequest] = deque(maxlen=LOG_LIMIT)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<RequestLog: {len(self)} requests>"

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> LoggedRequest: ...
    @overload
    def __getitem__(self, index: slice) -> list[LoggedRequest]: ...
    def __getitem__(self, index: int | slice) -> LoggedRequest | list[LoggedRequest]:
        return list(self)[index]

    def __iter__(self) -> Iterator[LoggedRequest]:
        with self._lock:
            return iter(list(self._kept))

    @property
    def submits(self) -> list[LoggedRequest]:
        """Every attempt to submit a job, whatever the response was."""
        return self.of(route="submit")

    @property
    def images(self) -> list[LoggedRequest]:
        """Every attempt to make an image, whatever the response was."""
        return self.of(route="generate", method="POST")

    def polls(self, job_id: str | None = None) -> list[float]:
        """Return the times of the status checks of a job, or of all jobs, in seconds on the emulator's clock."""
        wanted = {"route": "status"} if job_id is None else {"route": "status", "job_id": job_id}
        return [request.at for request in self.of(**wanted)]

    def of(self, **wanted: object) -> list[LoggedRequest]:
        """Return the requests whose attributes have these values.

        Example:
            >>> emulator.requests.of(route="content", status=206)
            []
        """
        return [entry for entry in self if all(getattr(entry, name) == value for name, value in wanted.items())]

    def count(self, value: object = None, **wanted: object) -> int:
        """Return how many requests there are whose attributes have these values.

        Example:
            >>> emulator.requests.count(route="submit", status=200)
            1
        """
        return len([entry for entry in self.of(**wanted) if value is None or entry == value])

    def clear(self) -> None:
        """Clear the log."""
        with self._lock:
            self._kept.clear()

    def note(self, request: LoggedRequest) -> None:
        """Add a request."""
        with self._lock:
            self._kept.append(request)


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
    """Return names and values up to so many characters in all."""
    kept = {}
    for name, value in fields.items():
        name = name or ""  # a part of a form may have no name
        if left <= len(name):
            break
        left -= len(name)
        kept[name] = value[:left]
        left -= len(kept[name])
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
