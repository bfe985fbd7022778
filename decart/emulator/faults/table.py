"""The table of faults: what each does, on which requests, how often, and its parameters.

A fault affects one *part* of an exchange, and at most one fault of each part acts on a request: the first that was
added. The others stay pending. So two statuses act one after the other, while a slow body and a dropped connection act
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

Part = Literal["response", "silence", "pace", "end", "job"]
"""What a fault decides: the response, or that there is none; how long the server is silent; how fast the body is sent;
how it ends; or the outcome of a job, in which case it is used up by accepted jobs and not by requests."""

Times = int | Literal["forever"]

ROUTES = ("submit", "status", "content", "generate", "files", "tokens", "any")
"""The values of ``on=``."""


@attrs.frozen
class Kind:
    """One row of the table.

    Attributes:
        part: The part of an exchange that it affects.
        does: What it does, in one line.
        main: The parameter that is written after the colon, ``status:503``; none for ``None``.
        takes: Its own parameters and their defaults; ``None`` for a default that ``does`` describes.
        on: The requests that it affects by default.
        times: How often it acts by default.
    """

    part: Part
    does: str
    main: str | None = None
    takes: Mapping[str, object] = attrs.field(factory=dict)
    on: str = attrs.field(default="any", kw_only=True)
    times: Times = attrs.field(default=1, kw_only=True)

    @property
    def usual(self) -> dict[str, object]:
        """All parameters that it takes, with their defaults."""
        return {"on": self.on, "times": self.times, "after": 0, **self.takes}


_STATUS = {"code": 503, "detail": None, "retry_after": None, "retry_after_date": None}
_DROPS = "drops the connection (a reset) after this many bytes of the body, or half of it"
_ENDS = "closes the connection cleanly after this many bytes of the body, or half, although more were announced"
_CUTS = "sends only this many bytes of the file, or half: a complete response with a broken file"
_LOST = "carries out the request (a job is accepted), and drops the connection before the response"
_STALLS = "carries out the request, and is silent before the response, or after this many bytes of its body"
_LACKS = "removes a field from the JSON response: by default the one that matters"
_DRIPS = "sends the body in pieces of this many bytes, with a pause after each"
_ELSEWHERE = {"to": "https://elsewhere.invalid"}

KINDS: dict[str, Kind] = {
    "status": Kind("response", "responds with this status, and does nothing else", "code", _STATUS),
    "html": Kind("response", "responds with an HTML page, as a proxy would", "code", {"code": 200}),
    "redirect": Kind("response", "responds 307, with the same path at another origin", "to", _ELSEWHERE),
    "drop-before": Kind("response", "reads the request, does nothing, and drops the connection"),
    "drop-after": Kind("response", _LOST, on="submit"),
    "bad-json": Kind("response", "carries out the request, and responds with truncated JSON", on="status"),
    "missing-field": Kind("response", _LACKS, "field", {"field": None}, on="status"),
    "unknown-status": Kind(
        "response", "responds with a status that no client knows", "word", {"word": "warming-up"}, on="status"
    ),
    "stall": Kind("silence", _STALLS, "seconds", {"seconds": 3600, "bytes": None}),
    "drip": Kind("pace", _DRIPS, "seconds", {"seconds": 0.1, "bytes": 1024}, on="content", times="forever"),
    "drop-midway": Kind("end", _DROPS, "bytes", {"bytes": None}, on="content"),
    "truncate": Kind("end", _ENDS, "bytes", {"bytes": None}, on="content"),
    "cut-file": Kind("end", _CUTS, "bytes", {"bytes": None}, on="content"),
    "job-fails": Kind("job", "the job fails, with this reason or none", "reason", {"reason": None}),
    "job-never-ends": Kind("job", "the job is processed forever"),
    "empty-result": Kind("job", "the job completes with an empty file"),
}


def usage(name: str) -> str:
    """Return a fault with its parameters, such as ``stall[:seconds][,bytes=]``."""
    kind = KINDS[name]
    return name + "".join(f"[:{key}]" if key == kind.main else f"[,{key}=]" for key in kind.takes)


def defaults(name: str) -> list[str]:
    """Return the defaults of a fault that are worth a mention, such as ``on=status``."""
    kind = KINDS[name]
    found = [] if kind.part == "job" else [f"on={kind.on}"]
    found += [f"{key}={value}" for key, value in kind.takes.items() if value is not None]
    return found + ([f"times={kind.times}"] if kind.times != 1 else [])


def described() -> str:
    """Return the table as text, for the command line."""
    rows = [(usage(name), KINDS[name].does, ", ".join(defaults(name))) for name in KINDS]
    return "\n".join(f"  {how}\n      {does}" + (f" ({usual})" if usual else "") for how, does, usual in rows)
