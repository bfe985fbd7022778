"""What a worker of `support.crashes` does that makes all its videos in one pool."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from typing import Any

from decart import AsyncDecartClient, DecartClient, MemoryJournal, QueueJobResult
from decart.transports import RequestsTransport

HASTE = 20

NOTES = "notes.json"
"""The file in its folder that gets the notes on the exception of a worker that was interrupted."""


class Hasty(RequestsTransport):
    """A transport whose clock is fast, so that two pools do not wait long for each other."""

    def now(self) -> float:
        return super().now() * HASTE

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        super().sleep(seconds / HASTE, cancel)


Results = list[QueueJobResult | Exception]


def make(settings: dict[str, Any], limits: dict[str, int], jobs: Iterable[Any], save_to: str) -> Results:
    """Run jobs in a pool, of the async client if the transport is aiohttp; that of ``"hasty"`` has a fast clock."""
    if settings["transport"] == "aiohttp":
        return asyncio.run(_make(settings, limits, jobs, save_to))
    if settings["transport"] == "hasty":
        settings |= {"transport": Hasty()}
    with DecartClient(**settings) as client, client.queue.pool(**limits) as pool:
        return list(pool.map(jobs, resume=True, save_to=save_to, return_exceptions=True))


async def _make(settings: dict[str, Any], limits: dict[str, int], jobs: Iterable[Any], save_to: str) -> Results:
    async with AsyncDecartClient(**settings) as client, client.queue.pool(**limits) as pool:
        results = pool.map(jobs, resume=True, save_to=save_to, return_exceptions=True)
        return [result async for result in results]


def check(result: QueueJobResult | Exception) -> None:
    """Raise the exception of a job that has one."""
    if isinstance(result, Exception):
        raise result
    result.raise_for_status()


def notes_of(error: BaseException | None) -> list[str]:
    """Return the notes on an exception, and on those that it took the place of."""
    notes: list[str] = []
    while error is not None:
        notes += getattr(error, "__notes__", [])
        error = error.__context__
    return notes


def warm_up() -> None:
    """Import what each worker would import again."""
    for transport in (None, "aiohttp"):
        assert (
            make({"api_key": "dct_test", "transport": transport, "journal": MemoryJournal()}, {}, [], "{index}") == []
        )
