"""`decart.transports.upload`: how long a piece of a body may wait to be taken."""

from __future__ import annotations

import asyncio
import sys

import pytest

from decart.transports.upload import Patience


def test_a_wait_that_is_too_long_ends_the_exchange_of_the_task_that_entered() -> None:
    async def main() -> None:
        with Patience(0.01) as patience:
            asyncio.get_running_loop().call_soon(patience.begin)
            await asyncio.Event().wait()

    with pytest.raises(asyncio.TimeoutError, match="nothing of the body was taken"):
        asyncio.run(main())


def test_a_wait_that_is_over_in_time_or_begins_after_the_answer_ends_nothing() -> None:
    async def main() -> str:
        with Patience(0.01) as patience:
            patience.begin()
            patience.over()
            await asyncio.sleep(0.03)
        patience.begin()
        await asyncio.sleep(0.03)
        return "went on"

    assert asyncio.run(main()) == "went on"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="before 3.11 a task does not count who has cancelled it")
def test_whoever_else_cancels_the_task_is_heard() -> None:
    async def exchange() -> None:
        with Patience(0) as patience:
            patience.begin()
            asyncio.get_running_loop().call_later(0, tasks[0].cancel)  # in the same turn of the loop
            await asyncio.Event().wait()

    async def main() -> None:
        tasks.append(asyncio.ensure_future(exchange()))
        await tasks[0]

    tasks: list[asyncio.Task[None]] = []
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
