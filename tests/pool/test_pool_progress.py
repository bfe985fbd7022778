"""The progress of a pool, through both clients: the numbers, when they are reported, and the bar that shows them."""

from __future__ import annotations

import asyncio
import io
import re
import threading
import time
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from support.fakes import MP4, FakeTransport, client_of, status
from support.pools import PATIENCE, Held, both_doors, content, door_of, emulator_of, lake, render

from decart import InvalidInputError, PoolProgress, Progress
from decart.emulator import Emulator, EmulatorServer
from decart.integrations.progress_bar import Bar, pool_line, tqdm
from decart.pool.tally import Tally, length_of
from decart.transports.base import HttpResponse

SIZE = len(content())


class Reports(list[PoolProgress]):
    """A callback that keeps what it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self._news = threading.Condition()

    def __call__(self, progress: PoolProgress) -> None:
        with self._news:
            self.append(progress)
            self._news.notify_all()

    def wait_for(self, **numbers: int | None) -> None:
        """Wait until the latest report has these numbers."""

        def has_come() -> bool:
            return bool(self) and all(getattr(self[-1], name) == value for name, value in numbers.items())

        with self._news:
            assert self._news.wait_for(has_come, PATIENCE), self[-1:]


def progress(**numbers: Any) -> PoolProgress:
    return PoolProgress(
        **{"done": 0, "failed": 0, "running": 0, "waiting": 0, "total": None, "bytes_received": 0} | numbers
    )


def is_content(request: Any) -> bool:
    return bool(request.method == "GET" and request.url.endswith("/content"))


# ---------------------------------------------------------------- the numbers


@both_doors
@pytest.mark.parametrize("saved", [False, True])
def test_the_last_report_has_the_final_numbers(door: str, saved: bool, tmp_path: Path) -> None:
    reports = Reports()
    save_to = tmp_path / "{index}.mp4" if saved else None
    with (
        emulator_of(faults="job-fails,times=1") as emulator,
        door_of(door, emulator, progress=reports, workers=4) as pool,
        pool,
    ):
        list(pool.map([lake(number) for number in range(9)], save_to=save_to))
        assert pool.submit(lake() | {"colour": "red"}).exception()
    assert reports[-1] == progress(done=8, failed=2, total=10, bytes_received=8 * SIZE)


@both_doors
def test_a_report_tells_running_from_waiting_jobs(door: str) -> None:
    reports = Reports()
    with emulator_of() as emulator:
        held = Held(emulator, is_content)
        limits = {"progress": reports, "workers": 8, "max_in_flight": 2}
        with door_of(door, emulator, {"transport": held}, **limits) as pool, pool:
            futures = [pool.submit(lake(number)) for number in range(5)]
            reports.wait_for(running=2, waiting=3, done=0, total=5, bytes_received=0)
            held.release()
            assert all(future.result().status == "completed" for future in futures)
    assert reports[-1] == progress(done=5, total=5, bytes_received=5 * SIZE)


@both_doors
def test_the_total_is_unknown_while_a_generator_is_read(door: str) -> None:
    reports = Reports()
    more = threading.Event()

    def jobs() -> Iterator[Any]:
        yield lake(0)
        yield lake(1)
        assert door == "async" or more.wait(PATIENCE)
        yield lake(2)

    with emulator_of() as emulator:
        held = Held(emulator, is_content)
        limits = {"progress": reports, "max_in_flight": 1, "workers": 8}
        with door_of(door, emulator, {"transport": held}, **limits) as pool, pool:
            reading = threading.Thread(target=lambda: list(pool.map(jobs())))
            reading.start()
            reports.wait_for(running=1, total=None)
            more.set()
            held.release()
            reading.join(PATIENCE)
    assert reports[-1] == progress(done=3, total=3, bytes_received=3 * SIZE)


@both_doors
def test_the_length_of_the_input_is_the_total_although_it_is_read_lazily(door: str) -> None:
    reports = Reports()
    with emulator_of() as emulator:
        held = Held(emulator, is_content)
        limits = {"progress": reports, "max_in_flight": 2, "workers": 8}
        with door_of(door, emulator, {"transport": held}, **limits) as pool, pool:
            results = pool.map([lake(number) for number in range(50)])
            reading = threading.Thread(target=lambda: next(results))
            reading.start()
            reports.wait_for(running=2, waiting=48, total=50)
            held.release()
            reading.join(PATIENCE)
            results.close()  # type: ignore[attr-defined]
    assert reports[-1].total == reports[-1].done < 50


@both_doors
def test_a_cancelled_job_does_not_count(door: str) -> None:
    reports = Reports()
    with emulator_of() as emulator:
        held = Held(emulator, is_content)
        limits = {"progress": reports, "max_in_flight": 1, "workers": 8}
        with door_of(door, emulator, {"transport": held}, **limits) as pool, pool:
            pool.submit(lake(1))
            second = pool.submit(lake(2))
            reports.wait_for(running=1, waiting=1)
            assert second.cancel()
            held.release()
    assert reports[-1] == progress(done=1, total=1, bytes_received=SIZE)


@both_doors
def test_the_jobs_of_a_pool_that_is_left_stay_running_or_waiting(door: str) -> None:
    reports = Reports()
    with emulator_of(pending=100.0) as emulator:
        held = Held(emulator, lambda request: request.method == "GET")
        limits = {"progress": reports, "max_in_flight": 2, "workers": 4}
        with door_of(door, emulator, {"transport": held}, **limits) as pool, pytest.raises(ZeroDivisionError), pool:
            for number in range(5):
                pool.submit(lake(number)).add_done_callback(held.release)
            reports.wait_for(running=2, waiting=3)
            raise ZeroDivisionError
    assert reports[-1] == progress(running=2, waiting=3, total=5)


class Unsized:
    """An iterable as tqdm's: it has a length only if it knows one."""

    def __len__(self) -> int:
        raise TypeError


def test_a_length_that_cannot_be_read_is_unknown() -> None:
    assert [length_of([1, 2]), length_of(iter([1])), length_of(Unsized())] == [2, None, None]


def test_an_input_that_is_longer_or_shorter_than_its_length_counts_as_it_is() -> None:
    tally = Tally(lambda: None)
    source = tally.reading(iter("abc"), 2)
    assert [tally.progress().total for _ in source] == [2, 2, 3]
    next(short := tally.reading(iter("d"), 9))
    assert tally.progress() == progress(waiting=12, total=12)
    assert list(short) == []
    assert tally.progress() == progress(waiting=4, total=4)


def test_bytes_of_an_earlier_run_do_not_count_and_those_of_a_restart_do() -> None:
    tally = Tally(lambda: None)
    one, other = tally.receiver(), tally.receiver()
    for receiver, done in ((one, 100), (one, 150), (other, 0), (one, 0), (other, 30), (one, 70)):
        receiver(Progress(direction="download", done=done, total=None))
    assert tally.progress().bytes_received == 50 + 30 + 70


def test_the_last_bytes_are_reported_although_no_length_was_announced(tmp_path: Path) -> None:
    reported: list[Progress] = []
    chunked = {"Content-Type": "video/mp4", "Transfer-Encoding": "chunked"}
    transport = FakeTransport(
        status("completed"), lambda request: HttpResponse(200, chunked, iter([MP4[:9], MP4[9:]]), lambda: None)
    )
    client_of(transport).queue.download("j1", tmp_path / "lake.mp4", progress=reported.append)
    assert [report.total for report in reported] == [None, len(MP4)]
    assert reported[-1].done == len(MP4)


# ---------------------------------------------------------------- the callback


def test_a_callback_is_called_at_most_ten_times_a_second_and_at_the_end() -> None:
    times: list[float] = []
    done: list[int] = []

    def report(progress: PoolProgress) -> None:
        times.append(time.monotonic())
        done.append(progress.done)

    with emulator_of() as emulator, emulator.client() as client, client.queue.pool(progress=report) as pool:
        list(pool.map(map(lake, range(200))))
    assert done[-1] == 200
    assert all(later - earlier > 0.09 for earlier, later in zip(times[:-1], times[1:-1], strict=False))


@both_doors
def test_a_callback_that_fails_is_logged_once_and_ends_no_job(door: str, caplog: pytest.LogCaptureFixture) -> None:
    called: list[object] = []

    def fail(progress: PoolProgress) -> None:
        called.append(progress)
        raise KeyError("callback")

    with emulator_of() as emulator, door_of(door, emulator, progress=fail) as pool, pool:
        assert [result.status for result in pool.map(map(lake, range(9)))] == ["completed"] * 9
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["the progress callback failed, and will not be called again"]
    assert len(called) == 1


def test_a_callback_that_hangs_delays_no_job() -> None:
    hangs, may_end = threading.Event(), threading.Event()

    def hang(progress: PoolProgress) -> None:
        hangs.set()
        assert may_end.wait(PATIENCE)

    with emulator_of() as emulator, emulator.client() as client, client.queue.pool(workers=1, progress=hang) as pool:
        first = pool.submit(lake())
        assert hangs.wait(PATIENCE)
        assert first.result(PATIENCE).status == "completed"
        assert len(list(pool.map(map(lake, range(9))))) == 9
        may_end.set()


def test_a_coroutine_function_is_awaited_by_the_async_client() -> None:
    reports: list[PoolProgress] = []

    async def report(progress: PoolProgress) -> None:
        await asyncio.sleep(0)
        reports.append(progress)

    async def main() -> None:
        with emulator_of() as emulator:
            async with emulator.async_client() as client, client.queue.pool(progress=report) as pool:
                pool.submit(lake())

    asyncio.run(main())
    assert reports[-1] == progress(done=1, total=1, bytes_received=SIZE)


def test_what_cannot_be_called_is_refused() -> None:
    async def report(progress: PoolProgress) -> None: ...

    with emulator_of() as emulator, emulator.client() as client:
        for wrong in (7, report):
            with pytest.raises(InvalidInputError, match="progress"):
                client.queue.pool(progress=wrong)  # type: ignore[arg-type]
        with client.queue.pool(progress=False) as pool:
            assert pool.submit(lake()).result().status == "completed"


def test_a_pool_without_jobs_reports_nothing() -> None:
    reports = Reports()
    with emulator_of() as emulator, emulator.client() as client, client.queue.pool(progress=reports):
        pass
    assert reports == []


# ---------------------------------------------------------------- the bar


class Terminal(io.StringIO):
    """A terminal that records its output."""

    def isatty(self) -> bool:
        return True


class BrokenTerminal(Terminal):
    def write(self, text: str) -> int:
        raise OSError(32, "Broken pipe")


@both_doors
def test_true_shows_one_bar_for_all_jobs(door: str) -> None:
    with redirect_stderr(Terminal()) as terminal:
        with emulator_of(faults="job-fails,times=1") as emulator, door_of(door, emulator, progress=True) as pool, pool:
            list(pool.map([lake(number) for number in range(10)]))
        lines = [line.strip() for line in re.split("[\r\n]", terminal.getvalue()) if line.strip()]
    assert re.fullmatch(r"0%\|[ ]+\| \[00:00<\?\] 0 done, 10 waiting", lines[0])
    assert re.fullmatch(rf"100%\|[^|]+\| \[00:0\d\] 9 done, 1 failed, {9 * SIZE}\.?\d*B", lines[-1])
    assert terminal.getvalue().count("\n") == 1


@both_doors
@pytest.mark.parametrize("stderr", [io.StringIO(), None])
def test_without_a_terminal_nothing_is_shown(door: str, stderr: Any) -> None:
    with redirect_stderr(stderr), emulator_of() as emulator, door_of(door, emulator, progress=True) as pool, pool:
        assert pool.submit(lake()).result().status == "completed"
    assert stderr is None or stderr.getvalue() == ""


@both_doors
def test_a_terminal_that_breaks_ends_no_job(door: str, caplog: pytest.LogCaptureFixture) -> None:
    with (
        redirect_stderr(BrokenTerminal()),
        emulator_of() as emulator,
        door_of(door, emulator, progress=True) as pool,
        pool,
    ):
        assert [result.status for result in pool.map(map(lake, range(9)))] == ["completed"] * 9
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "the progress bar cannot be drawn and is disabled"
    ]
    assert list(tqdm(range(2), file=io.StringIO())) == [0, 1]  # its lock was not left to the thread that failed


def test_a_notebook_shows_one_widget_for_all_jobs() -> None:
    setup = "from decart import DecartClient, models; client = DecartClient('dct_x', base_url={!r})"
    cells = [
        "jobs = [{'model': models.video('lucy-pro-t2v'), 'prompt': 'lake'}] * 9",
        "with client.queue.pool(progress=True) as pool: list(pool.map(jobs))",
        "async with client.aio.queue.pool(progress=True) as pool: [result async for result in pool.map(jobs)]",
    ]
    with (
        Emulator(pending=0, processing=0, renderer=render, faults="job-fails,times=1") as emulator,
        EmulatorServer(emulator) as server,
    ):
        sources = [setup.format(server.url), *cells]
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        NotebookClient(book, timeout=60).execute()
    assert [len(cell.outputs) for cell in book.cells] == [0, 0, 1, 1]
    texts = [cell.outputs[0]["data"]["text/plain"].replace("\u2007", " ") for cell in book.cells[2:]]
    assert re.fullmatch(r"100%\|[█#]+\| \[00:0\d\] 8 done, 1 failed, \d+\.?\d*B", texts[0])
    assert re.fullmatch(r"100%\|[█#]+\| \[00:0\d\] 9 done, \d+\.?\d*B", texts[1])


def test_a_bar_that_is_closed_shows_nothing_more() -> None:
    with redirect_stderr(Terminal()) as terminal:
        with Bar() as bar:
            pass
        bar.on_pool(progress(done=1))
    assert terminal.getvalue() == ""


FULL = {"done": 38, "failed": 2, "running": 20, "waiting": 40, "total": 100, "bytes_received": 11_900_000}
LINES = {
    (0, 79): (progress(waiting=7, total=7), "  0%|{bar:8}| [00:00<?] 0 done, 7 waiting"),
    (65, 79): (
        progress(**FULL),
        " 40%|{bar:8}| [01:05<01:37] 38 done, 20 running, 40 waiting, 2 failed, 11.3MB",
    ),
    (65, 119): (
        progress(**FULL),
        " 40%|{bar:20}| [01:05<01:37] 38 done, 20 running, 40 waiting, 2 failed, 11.3MB",
    ),
    (65, 70): (progress(**FULL), " 40%|{bar:6}| [01:05] 38 done, 20 running, 40 waiting, 2 failed, 11.3MB"),
    (65, 66): (progress(**FULL), " 40%|{bar:6}| [01:05] 38 done, 20 running, 40 waiting, 2 failed"),
    (65, 40): (progress(**FULL), " 40%|{bar:6}| [01:05] 38 done, 20 running, 40 waiting, 2 failed"),
    (9, None): (progress(**FULL), " 40%|{bar}| [00:09<00:13] 38 done, 20 running, 40 waiting, 2 failed, 11.3MB"),
    (9, 79): (progress(done=4, running=1), "  ?%|{bar:8}| [00:09<?] 4 done, 1 running"),
    (10, 79): (progress(done=4, total=4), "100%|{bar:8}| [00:10] 4 done"),
}


@pytest.mark.parametrize(("seconds", "columns"), LINES)
def test_the_line_of_a_bar_fits_into_the_terminal(seconds: int, columns: int | None) -> None:
    numbers, line = LINES[seconds, columns]
    assert pool_line(numbers, seconds, columns) == line
    drawn = tqdm.format_meter(n=0.4, total=1, elapsed=seconds, ncols=columns, bar_format=line)
    assert columns is None or len(drawn) <= columns
