"""The table of faults: what each does, on which requests, how often, and its parameters.

A fault affects one *part* of an exchange, and at most one fault of each part acts on a request: the first that was
added. The others stay pending. So two statuses act one after the other, while a slow body and a dropped connection act
together.

==========  =====================================================================
part        what it decides
==========  =====================================================================
response    the response, or that there is none
silence     how long the server is silent
pace        how fast the body is sent
end         how the body ends
job         the outcome of a job; used up by accepted jobs, not by requests
==========  =====================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import attrs

from ...errors import InvalidInputError

Part = Literal["response", "silence", "pace", "end", "job"]
Times = int | Literal["forever"]

ROUTES = ("submit", "status", "content", "generate", "files", "tokens", "any")
"""The values of ``on=``."""


@attrs.frozen
class Kind:
    """One row of the table.

    Attributes:
        does: What it does, in one line.
        part: The part of an exchange that it affects.
        main: The parameter that is written after the colon, ``status:503``; none for ``None``.
        takes: Its parameters and their defaults; ``None`` for a default that ``does`` describes.
        on: The requests that it affects by default.
        times: How often it acts by default.
    """

    does: str
    part: Part
    main: str | None = None
    takes: Mapping[str, object] = attrs.field(factory=dict)
    on: str = "any"
    times: Times = 1


_STATUS = {"code": 503, "detail": None, "retry_after": None, "retry_after_date": None}

KINDS: dict[str, Kind] = {
    "status": Kind("responds with this status, and does nothing else", "response", "code", _STATUS),
    "html": Kind("responds with an HTML page, as a proxy would", "response", "code", {"code": 200}),
    "redirect": Kind(
        "responds 307, with the same path at another origin", "response", "to", {"to": "https://elsewhere.invalid"}
    ),
    "drop-before": Kind("reads the request, does nothing, and drops the connection", "response"),
    "drop-after": Kind(
        "carries out the request (a job is accepted), and drops the connection before the response",
        "response",
        on="submit",
    ),
    "bad-json": Kind("carries out the request, and responds with truncated JSON", "response", on="status"),
    "missing-field": Kind(
        "removes a field from the JSON response: by default the one that matters",
        "response",
        "field",
        {"field": None},
        on="status",
    ),
    "unknown-status": Kind(
        "responds with a status that no client knows",
        "response",
        "word",
        {"word": "warming-up"},
        on="status",
    ),
    "stall": Kind(
        "carries out the request, and is silent before the response, or after this many bytes of its body",
        "silence",
        "seconds",
        {"seconds": 3600, "bytes": None},
    ),
    "drip": Kind(
        "sends the body in pieces of this many bytes, with a pause after each",
        "pace",
        "seconds",
        {"seconds": 0.1, "bytes": 1024},
        on="content",
        times="forever",
    ),
    "drop-midway": Kind(
        "drops the connection (a reset) after this many bytes of the body, or half of it",
        "end",
        "bytes",
        {"bytes": None},
        on="content",
    ),
    "truncate": Kind(
        "closes the connection cleanly after this many bytes of the body, or half, although more were announced",
        "end",
        "bytes",
        {"bytes": None},
        on="content",
    ),
    "cut-file": Kind(
        "sends only this many bytes of the file, or half: a complete response with a broken file",
        "end",
        "bytes",
        {"bytes": None},
        on="content",
    ),
    "job-fails": Kind("the job fails, with this reason or none", "job", "reason", {"reason": None}),
    "job-never-ends": Kind("the job is processed forever", "job"),
    "empty-result": Kind("the job completes with an empty file", "job"),
}

PARAMETERS = ("code", "detail", "retry_after", "retry_after_date", "field", "word", "seconds", "bytes", "to", "reason")


def kind_of(name: object) -> Kind:
    """Return the row of a name.

    Raises:
        InvalidInputError: The name is unknown.
    """
    if isinstance(name, str) and name in KINDS:
        return KINDS[name]
    import difflib

    near = difflib.get_close_matches(str(name)[:100], KINDS, n=1, cutoff=0.0)[0]
    raise InvalidInputError(
        f"there is no fault named {str(name)[:100]!r}; did you mean {near!r}? The faults are: {', '.join(KINDS)}."
    )


def _whole(least: int, most: int = 10**12) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 10**9


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _origin(value: object) -> bool:
    parts = urlsplit(value if isinstance(value, str) and value.isprintable() and " " not in value else "")
    return parts.scheme in ("http", "https") and bool(parts.hostname)


CHECKS: dict[str, tuple[Callable[[object], bool], str]] = {
    "on": (lambda value: value in ROUTES, f"one of {', '.join(ROUTES)}"),
    "times": (lambda value: value == "forever" or _whole(1)(value), "a whole number, 1 or more, or 'forever'"),
    "after": (_whole(0), "a whole number, 0 or more"),
    "code": (_whole(200, 599), "an HTTP status, 200 to 599"),
    "bytes": (_whole(0), "a whole number of bytes"),
    "seconds": (_seconds, "a number of seconds"),
    "retry_after": (_seconds, "a number of seconds"),
    "retry_after_date": (_seconds, "a number of seconds from now"),
    "to": (_origin, "the address of an origin, such as https://elsewhere.invalid"),
    **dict.fromkeys(("detail", "field", "word", "reason"), (_text, "some text")),
}
"""For each parameter: the check of a value, and a description of valid ones."""


def check(name: str, parameter: str, value: Any) -> None:
    """Check the value of a parameter.

    Raises:
        InvalidInputError: It is invalid.
    """
    good, what = CHECKS[parameter]
    if not good(value):
        raise InvalidInputError(f"fault {name!r}: {parameter} must be {what}, not {str(value)[:100]!r}.")
