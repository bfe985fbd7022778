"""The progress of a transfer: the meter alone, and with an event loop."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from support.fakes import KEY, LAKE, FakeTransport, accepted, status
from support.served_video import VIDEO, ServedVideo

from decart import AsyncDecartClient, InvalidInputError, Progress
from decart.progress import Meter, callable_anywhere
from decart.transports.aiohttp import AiohttpTransport


class Clock:
    now = 0.0


def metered(clock: Clock) -> tuple[Meter, list[Progress]]:
    reported: list[Progress] = []
    return Meter(callback=reported.append, direction="upload", now=lambda: clock.now), reported


def test_a_meter_reports_at_most_ten_times_a_second() -> None:
    clock = Clock()
    meter, reported = metered(clock)
    for step in range(1000):
        clock.now = step / 1000
        meter.at(step + 1, 5000)
    assert 9 <= len(reported) <= 10
    assert {(progress.direction, progress.total) for progress in reported} == {("upload", 5000)}


def test_a_meter_reports_the_beginning_and_the_end_whatever_the_time() -> None:
    meter, reported = metered(Clock())
    for done in (0, 3, 6, 9):
        meter.at(done, 9)
    assert [progress.done for progress in reported] == [0, 9]


def test_a_meter_without_a_callback_does_nothing() -> None:
    Meter(callback=None, direction="upload", now=lambda: 1 / 0).at(0, 0)  # not even look at the clock


def test_a_meter_lets_ctrl_c_through() -> None:
    def press(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Meter(callback=press, direction="upload", now=lambda: 0.0).at(0, 1)


def test_a_callback_that_is_not_callable_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="^progress must be callable"):
        callable_anywhere(7, awaited=True)  # type: ignore[arg-type]


def client(transport: Any, **settings: Any) -> AsyncDecartClient:
    return AsyncDecartClient(KEY, transport=transport, **settings)


@pytest.mark.parametrize("coroutine", [False, True])
def test_on_an_event_loop_the_callback_is_called_in_the_thread_of_the_loop(coroutine: bool, tmp_path: Path) -> None:
    reported: list[tuple[int, str]] = []

    def tell(progress: Progress) -> None:
        reported.append((threading.get_ident(), progress.direction))

    async def tell_later(progress: Progress) -> None:
        await asyncio.sleep(0)
        tell(progress)

    async def main() -> None:
        transport = FakeTransport(accepted(), status("completed"), ServedVideo())
        queue = client(transport).queue
        progress: Any = tell_later if coroutine else tell
        data: Any = {**LAKE}
        await queue.submit_and_poll(data, save_to=tmp_path / "lake.mp4", progress=progress)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert {thread for thread, _ in reported} == {threading.get_ident()}
    assert {direction for _, direction in reported} == {"upload", "download"}


def test_a_callback_that_fails_on_an_event_loop_is_logged_once_and_does_not_end_the_download(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        transport = FakeTransport(status("completed"), served := ServedVideo())
        served.on_piece = lambda: transport.sleep(1)  # so that there is much to report
        path = await client(transport).queue.download("j1", tmp_path / "lake.mp4", progress=lambda progress: 1 / 0)
        assert path.read_bytes() == VIDEO
        await asyncio.sleep(0)

    asyncio.run(main())
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["the progress callback failed, and will not be called again"]


def test_aiohttp_sends_nothing_before_progress_is_checked() -> None:
    async def main() -> None:
        async with client(AiohttpTransport(), base_url="http://127.0.0.1:9") as opened:
            with pytest.raises(InvalidInputError):
                await opened.queue.submit(LAKE, progress=7)  # type: ignore[arg-type]

    asyncio.run(main())
