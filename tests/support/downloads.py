"""Download state machines, and response heads to feed them."""

from __future__ import annotations

from typing import Any

from decart import RetryPolicy, Timeout, TransportError
from decart.config import settings
from decart.downloads import Download
from decart.responses import BufferedResponse
from support.fakes import KEY

SET = settings(KEY, "https://api.test", Timeout(), None)
VIDEO = bytes(range(256)) * 4
SIZE = len(VIDEO)
CUT = TransportError("The connection broke off.")


def new_download(**more: Any) -> Download:
    return Download(**{"job_id": "j1", "settings": SET, "retry": RetryPolicy(jitter=0), **more})


def head(status: int, **headers: str) -> BufferedResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return BufferedResponse(status=status, headers={"content-type": "video/mp4", "etag": '"v1"', **named})


def complete(**headers: str) -> BufferedResponse:
    return head(200, **{"content_length": str(SIZE), **headers})


def part(first: int, last: int, whole: int | str = SIZE, **headers: str) -> BufferedResponse:
    return head(206, content_range=f"bytes {first}-{last}/{whole}", **headers)


def feed(download: Download, data: bytes) -> None:
    if (flaw := download.observe_data(data)) is not None:
        raise flaw


def cut_at(size: int, response: BufferedResponse | None = None, **more: Any) -> Download:
    """Return a download whose first response broke off after ``size`` bytes."""
    download = new_download(**more)
    assert download.observe_head(response or complete())
    feed(download, VIDEO[:size])
    assert download.pause_after(CUT, 0.0) == 0.5
    return download
