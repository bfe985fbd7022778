"""Concurrent downloads to one target: it only ever holds a complete file, and each call that returns has it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.programs import UNMEASURED
from support.served_video import VIDEO, ServedVideo, client_for, files

from decart import AsyncDecartClient, QueueResultError, RetryPolicy

ONCE = RetryPolicy(attempts=1, jitter=0)
OTHER = b"\0" + bytes(reversed(VIDEO)) * 2


@contextmanager
def switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def outcome(target: Path, breaks: int | None, video: bytes = VIDEO) -> str:
    """Download once, and read the target when the call returns."""
    served = ServedVideo(video, breaks=() if breaks is None else (breaks,), headers={"ETag": f'"{len(video)}"'})
    try:
        return (
            "complete"
            if client_for(served, retry=ONCE)[0].queue.download("j1", target).read_bytes() in COMPLETE
            else "mixed"
        )
    except QueueResultError:
        return "failed"


COMPLETE = (VIDEO, OTHER)


@pytest.mark.parametrize("videos", [(VIDEO,), (VIDEO, OTHER)], ids=["one content", "content that changes"])
def test_threads_that_fail_and_succeed_in_any_order_never_mix_files(videos: tuple[bytes, ...], tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"

    def work(number: int) -> set[str]:
        breaks = [None, 300, 700, 100, None]
        return {outcome(target, breaks[(number + turn) % 5], videos[turn % len(videos)]) for turn in range(25)}

    with switching_often(), ThreadPoolExecutor(8) as threads:
        outcomes = set().union(*threads.map(work, range(8)))
    assert outcomes == {"complete", "failed"}
    assert outcome(target, None) == "complete"
    assert files(tmp_path) == ["lake.mp4"]


def test_processes_that_fail_succeed_and_are_killed_never_mix_files(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        sys.path[:0] = [sys.argv[2], sys.argv[2] + "/files"]
        from test_two_downloads import outcome
        number = int(sys.argv[3])
        for turn in range(25):
            outcomes = outcome(Path(sys.argv[1]), [None, 300, 700][(number + turn) % 3])
            assert outcomes in ("complete", "failed"), outcomes
            if number % 2 and turn == 20:
                os.kill(os.getpid(), signal.SIGKILL)
    """)
    target, tests = tmp_path / "lake.mp4", os.path.dirname(os.path.dirname(__file__))
    command = [sys.executable, "-B", "-c", program, str(target), tests]
    processes = [subprocess.Popen([*command, str(number)], env=UNMEASURED) for number in range(4)]
    assert [process.wait(60) for process in processes] == [0, -signal.SIGKILL] * 2
    assert outcome(target, None) == "complete"
    assert files(tmp_path) == ["lake.mp4"]


def test_a_download_that_fails_first_leaves_nothing_behind_when_the_other_has_succeeded(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    turns = iter([1])

    def meanwhile() -> None:
        """Complete a second download while the first one, which has the resumable part, is still running."""
        if next(turns, None):
            assert outcome(target, None) == "complete"

    first = ServedVideo(breaks=(300,), on_piece=meanwhile)
    with pytest.raises(QueueResultError):
        client_for(first, retry=ONCE)[0].queue.download("j1", target)
    assert outcome(target, None) == "complete"
    assert files(tmp_path) == ["lake.mp4"]


def test_the_part_of_a_failed_download_is_gone_when_a_concurrent_one_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    begun, failed = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        assert failed.wait(30)

    with ThreadPoolExecutor(1) as threads:
        ahead = iter([1])

        def let_another_begin() -> None:
            if next(ahead, None):
                second.append(threads.submit(client_for(ServedVideo(on_piece=hold))[0].queue.download, "j1", target))
                assert begun.wait(30)

        second: list[Any] = []
        with pytest.raises(QueueResultError):
            client_for(ServedVideo(breaks=(300,), on_piece=let_another_begin), retry=ONCE)[0].queue.download(
                "j1", target
            )
        assert any(name.endswith(".part") for name in files(tmp_path))
        failed.set()
        assert second[0].result(30).read_bytes() == VIDEO
    assert files(tmp_path) == ["lake.mp4"]


# tasks, and one that is cancelled


def aclient(served: Any, **settings: Any) -> AsyncDecartClient:
    return client_for(served, **settings)[0].aio


def test_tasks_that_fail_succeed_and_are_cancelled_at_any_point_never_mix_files(tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"

    async def work(number: int) -> None:
        breaks = (300,) if number % 3 == 1 else ()
        task = asyncio.ensure_future(aclient(ServedVideo(breaks=breaks), retry=ONCE).queue.download("j1", target))
        if number % 3 == 2:
            for _ in range(number % 40):
                await asyncio.sleep(0)
            task.cancel()
        try:
            path = await task
        except (QueueResultError, asyncio.CancelledError):
            return
        assert path.read_bytes() == VIDEO

    async def main() -> None:
        for start in range(0, 240, 12):
            await asyncio.gather(*(work(number) for number in range(start, start + 12)))
            if target.exists():
                assert target.read_bytes() == VIDEO

    with switching_often():
        asyncio.run(main())
    assert outcome(target, None) == "complete"
    assert files(tmp_path) == ["lake.mp4"]


class Held:
    """A function of ``os`` that blocks one of its callers, before or after it does its work, until it is released."""

    def __init__(
        self, name: str, monkeypatch: pytest.MonkeyPatch, *, when: str = "before", whose: Callable[[Any], bool] = bool
    ) -> None:
        self.entered, self.let_go = threading.Event(), threading.Event()
        self._real: Callable[..., Any] = getattr(os, name)
        self._when, self._whose = when, whose
        monkeypatch.setattr(os, name, self)

    def __call__(self, what: Any, *more: Any, **options: Any) -> Any:
        is_held = self._whose(what) and not self.entered.is_set()
        if is_held and self._when == "before":
            self._hold()
        done = self._real(what, *more, **options)
        if is_held and self._when == "after":
            self._hold()
        return done

    def _hold(self) -> None:
        self.entered.set()
        assert self.let_go.wait(30)


@pytest.mark.parametrize("cancels", [1, 3])
def test_a_download_cancelled_during_its_flush_ends_after_the_flush(
    cancels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, held = tmp_path / "lake.mp4", Held("fsync", monkeypatch)

    async def main() -> None:
        task = asyncio.ensure_future(aclient(ServedVideo()).queue.download("j1", target))
        assert await asyncio.to_thread(held.entered.wait, 30)
        for _ in range(cancels):
            task.cancel()
            await asyncio.sleep(0)
        try:
            assert (await aclient(ServedVideo(OTHER)).queue.download("j1", target)).read_bytes() == OTHER
            assert not task.done()
        finally:
            held.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert files(tmp_path) == ["lake.mp4"]  # at once
        assert target.read_bytes() == VIDEO

    asyncio.run(main())
    assert files(tmp_path) == ["lake.mp4"]


def test_a_download_whose_loop_ends_during_its_flush_leaves_a_complete_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, held = tmp_path / "lake.mp4", Held("fsync", monkeypatch)

    async def main() -> None:
        forgotten.append(asyncio.ensure_future(aclient(ServedVideo()).queue.download("j1", target)))
        assert await asyncio.to_thread(held.entered.wait, 30)
        asyncio.get_running_loop().call_soon(held.let_go.set)  # while run() cancels what is left

    forgotten: list[asyncio.Future[Path]] = []
    asyncio.run(main())
    assert forgotten[0].cancelled()
    assert target.read_bytes() == VIDEO
    assert files(tmp_path) == ["lake.mp4"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_download_cancelled_while_it_opens_its_part_keeps_no_lock(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "lake.mp4"
    held = Held("open", monkeypatch, when=when, whose=lambda path: str(path).endswith(".part"))

    async def main() -> None:
        task = asyncio.ensure_future(aclient(ServedVideo(), retry=ONCE).queue.download("j1", target))
        assert await asyncio.to_thread(held.entered.wait, 30)
        task.cancel()
        asyncio.get_running_loop().call_soon(held.let_go.set)  # when the task has been told
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())  # whose end waits for its threads
    assert outcome(target, None) == "complete"
    assert files(tmp_path) == ["lake.mp4"]
