"""``progress=True``: a bar with the job's status and the elapsed time, then bytes; silent without a terminal."""

from __future__ import annotations

import asyncio
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import pytest
from support.fakes import (
    KEY,
    LAKE,
    MP4,
    FakeTransport,
    accepted,
    client_of,
    make_response,
    status,
    video,
)
from support.served_video import ServedVideo

from decart import AsyncDecartClient, Progress, QueueStatusError, models
from decart.integrations.progress_bar import Bar, tqdm
from decart.jobs import JobStatusResponse


class Terminal(io.StringIO):
    """A terminal that records its output."""

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> list[str]:
        """The lines that were drawn."""
        return [line.strip() for line in re.split(r"[\r\n]", self.getvalue()) if line.strip()]


@contextmanager
def on_a_terminal() -> Iterator[Terminal]:
    """Redirect stderr to a terminal."""
    with redirect_stderr(Terminal()) as terminal:
        yield terminal


def test_a_wait_shows_the_model_the_status_and_the_elapsed_time() -> None:
    with on_a_terminal() as terminal:
        transport = FakeTransport(accepted(), status("processing"), status("completed"), video())
        client_of(transport).queue.submit_and_poll(LAKE, progress=True)
        shown = [line for line in terminal.shown if line.startswith("lucy")]
        assert [line for line in shown if re.fullmatch(r"lucy-pro-t2v: processing \[\d\d:\d\d\]", line)]
        assert shown[-1].startswith("lucy-pro-t2v: completed [")


def test_a_wait_for_a_job_of_another_client_shows_its_id() -> None:
    with on_a_terminal() as terminal:
        client_of(FakeTransport(status("completed"), video())).queue.poll("j1", progress=True)
        waits = [line for line in terminal.shown if not line.startswith("download")]
        assert waits[-1].startswith("job j1: completed [")


def test_transfers_show_bytes_both_ways(tmp_path: Path) -> None:
    with on_a_terminal() as terminal:
        picture = {"model": models.video("lucy-pro-i2v"), "prompt": "wind", "data": b"x" * 5000}
        transport = FakeTransport(accepted(), status("completed"), ServedVideo())
        client_of(transport).queue.submit_and_poll(picture, save_to=tmp_path / "lake.mp4", progress=True)  # type: ignore[arg-type]
        up = [line for line in terminal.shown if line.startswith("upload")]
        assert re.search(r"upload: 100%\|.*\| 5\.\d+k/5\.\d+k", up[-1])
        down = [line for line in terminal.shown if line.startswith("download")]
        assert re.search(r"download: 100%\|.*\| 1\.00k/1\.00k", down[-1])


def test_submit_and_download_have_a_bar_too(tmp_path: Path) -> None:
    with on_a_terminal() as terminal:
        client = client_of(FakeTransport(accepted(), status("completed"), ServedVideo()))
        client.queue.submit(LAKE, progress=True)
        assert terminal.shown[-1].startswith("upload: 100%")
        client.queue.download("j1", tmp_path / "lake.mp4", progress=True)
        assert terminal.shown[-1].startswith("download: 100%")


def test_the_async_methods_have_the_same_bar(tmp_path: Path) -> None:
    with on_a_terminal() as terminal:

        async def main() -> None:
            transport = FakeTransport(accepted(), status("processing"), status("completed"), ServedVideo())
            async with AsyncDecartClient(KEY, transport=transport) as client:
                await client.queue.submit_and_poll(LAKE, save_to=tmp_path / "lake.mp4", progress=True)

        asyncio.run(main())
        shown = " ".join(terminal.shown)
        assert "lucy-pro-t2v: processing" in shown
        assert "download: 100%" in shown


def test_a_bar_is_closed_when_the_call_fails() -> None:
    with on_a_terminal(), pytest.raises(QueueStatusError):
        client_of(FakeTransport(accepted(), make_response(401))).queue.submit_and_poll(LAKE, progress=True)
        assert list(getattr(tqdm, "_instances", ())) == []


def test_without_a_terminal_nothing_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    transport = FakeTransport(accepted(), status("completed"), video())
    assert client_of(transport).queue.submit_and_poll(LAKE, progress=True).data == MP4
    assert capfd.readouterr() == ("", "")


def test_progress_false_shows_no_bar() -> None:
    with on_a_terminal() as terminal:
        client_of(FakeTransport(accepted(), status("completed"), video())).queue.submit_and_poll(LAKE, progress=False)
        assert terminal.shown == []


def test_calls_after_the_end_have_no_effect() -> None:
    with on_a_terminal() as terminal:
        with Bar() as bar:
            pass
        bar.on_progress(Progress(direction="upload", done=1, total=2))
        bar.on_poll(JobStatusResponse(job_id="j1", status="pending"))
        assert terminal.shown == []


WITHOUT = """
import sys
sys.modules["tqdm"] = None
sys.path.insert(0, {tests!r})
from support.fakes import LAKE, FakeTransport, client_of
client_of(FakeTransport()).queue.{verb}
"""


@pytest.mark.parametrize("verb", ["submit(LAKE, progress=True)", "submit_and_poll(LAKE, progress=True)"])
def test_without_tqdm_the_call_fails_before_anything_is_sent(verb: str) -> None:
    script = WITHOUT.format(tests=str(Path(__file__).parent), verb=verb)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.splitlines()[-1] == (
        "decart.errors.MissingExtraError: This feature needs tqdm, from the extra 'progress': "
        "pip install 'decart-queue[progress]'"
    )


def test_a_program_without_a_bar_does_not_import_tqdm() -> None:
    script = "import sys; from decart import DecartClient; DecartClient('dct_x').queue; print('tqdm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "False\n"
