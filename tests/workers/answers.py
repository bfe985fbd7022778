"""The responses of the test service as functions of the request, so that a mixed-up response is detected.

Each name contains the process that sent it, so that the service can tell which process uses which connection.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from typing import TypedDict

SIZES = (300, 5_000, 40_000, 200_000)  # bytes of a video, more or less

_numbers = itertools.count()
_process = re.compile(r"\.p(\d+)\.")


class Gave(TypedDict):
    """The request of one call of the SDK, and its result."""

    verb: str
    process: int
    asked: str
    gave: str


def name(kind: str) -> str:
    """Return a unique name for a call; it starts with an instruction for the service, and identifies the process."""
    return f"{kind}.p{os.getpid()}.{next(_numbers)}"


def process_of(text: str) -> int | None:
    """Return the process that created a name."""
    found = _process.search(text)
    return int(found[1]) if found else None


def id_of(prompt: str) -> str:
    """Return the id of the job of a prompt."""
    return f"{prompt}.job"


def reason_of(job_id: str) -> str:
    """Return why a job failed."""
    return f"no luck with {job_id}"


def content_of(job_id: str) -> bytes:
    """Return the video of a job."""
    number = int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:4], "big")
    line = job_id.encode() + b"\n"
    return line * (1 + (SIZES[number % len(SIZES)] + number % 1000) // len(line))


def digest(data: bytes) -> str:
    """Return the representation of a video."""
    return hashlib.sha256(data).hexdigest()


def due(call: Gave) -> str:
    """Return the expected result of the call."""
    asked = call["asked"]
    if call["verb"] == "submit":
        return id_of(asked)
    if call["verb"] == "status":
        return reason_of(asked)
    return digest(content_of(asked))
