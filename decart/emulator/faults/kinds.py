"""The names of the faults that the emulator can play, as a table: what each does, where, how often, and what it takes.

A fault has a *part* of the exchange to itself, and at most one of each part acts on a request: the first in the order
in which they were added. The others wait for their turn. So two answers come one after the other, and a slow line that
breaks off is both at once.

==========  ==========================================================================
part        what it decides
==========  ==========================================================================
answer      what is answered, or that nothing is
silence     how long nothing is heard
pace        how fast the body comes
end         how it ends
job         what becomes of a job that was taken in; used up by jobs, not by requests
==========  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import attrs

from ...errors import InvalidInputError

Part = Literal["answer", "silence", "pace", "end", "job"]
Times = int | Literal["forever"]

ROUTES = ("submit", "status", "content", "generate", "files", "tokens", "any")
"""What a fault may be for (``on=``)."""


@attrs.frozen
class Kind:
    """One row of the table.

    Attributes:
        does: What it does, in one line.
        part: The part of an exchange that it has to itself.
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
    "status": Kind("answers with this status, and does nothing else", "answer", "code", _STATUS),
    "html": Kind("answers with the page of some proxy, and does nothing else", "answer", "code", {"code": 200}),
    "redirect": Kind(
        "answers 307 with the same path at another origin", "answer", "to", {"to": "https://elsewhere.invalid"}
    ),
    "drop-before": Kind("reads the request, does nothing, and cuts the connection", "answer"),
    "drop-after": Kind(
        "does what was asked (a job is taken in), and cuts the connection before the answer", "answer", on="submit"
    ),
    "bad-json": Kind("does what was asked, and answers with JSON that breaks off", "answer", on="status"),
    "missing-field": Kind(
        "leaves a field out of the JSON answer, the one that matters unless told which",
        "answer",
        "field",
        {"field": None},
        on="status",
    ),
    "unknown-status": Kind(
        "says a word for the job's status that no client knows",
        "answer",
        "word",
        {"word": "warming-up"},
        on="status",
    ),
    "stall": Kind(
        "does what was asked, and is silent before the answer, or after so many bytes of its body",
        "silence",
        "seconds",
        {"seconds": 3600, "bytes": None},
    ),
    "drip": Kind(
        "sends the body in pieces of so many bytes, with a pause between any two",
        "pace",
        "seconds",
        {"seconds": 0.1, "bytes": 1024},
        on="content",
        times="forever",
    ),
    "drop-midway": Kind(
        "cuts the connection (a reset) after so many bytes of the body, or half of it",
        "end",
        "bytes",
        {"bytes": None},
        on="content",
    ),
    "truncate": Kind(
        "ends the connection politely after so many bytes of the body, or half, though more were announced",
        "end",
        "bytes",
        {"bytes": None},
        on="content",
    ),
    "cut-file": Kind(
        "sends so many bytes of the file, or half, as if they were all: a whole answer with a broken file",
        "end",
        "bytes",
        {"bytes": None},
        on="content",
    ),
    "job-fails": Kind("the job fails in the end, with this reason or none", "job", "reason", {"reason": None}),
    "job-never-ends": Kind("the job is processed for ever", "job"),
    "empty-result": Kind("the job completes, and its file has no bytes", "job"),
}

PARAMETERS = ("code", "detail", "retry_after", "retry_after_date", "field", "word", "seconds", "bytes", "to", "reason")


def kind_of(name: object) -> Kind:
    """Return the row of a name.

    Raises:
        InvalidInputError: There is none.
    """
    if isinstance(name, str) and name in KINDS:
        return KINDS[name]
    import difflib

    near = difflib.get_close_matches(str(name)[:100], KINDS, n=1, cutoff=0.0)[0]
    raise InvalidInputError(
        f"fault: there is none named {str(name)[:100]!r}; did you mean {near!r}? There are {', '.join(KINDS)}."
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
"""For each parameter: whether a value is good, and what is."""


def check(name: str, parameter: str, value: Any) -> None:
    """Refuse a value that cannot be.

    Raises:
        InvalidInputError: It cannot.
    """
    good, what = CHECKS[parameter]
    if not good(value):
        raise InvalidInputError(f"fault {name!r}: {parameter} must be {what}, not {str(value)[:100]!r}.")
