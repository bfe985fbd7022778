"""No stderr, a broken one, a broken tqdm, a broken log: no failure of output ends a call that is paid for."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import pytest
from support.fakes import LAKE, MP4, FakeTransport, accepted, client_of, status, video
from support.forked import starter

from decart import MissingExtraError, Progress
from decart.events import SafeLog
from decart.integrations.progress_bar import Bar
from decart.jobs import JobStatusResponse

PROGRAM = """
import io, sys
sys.path.insert(0, {tests!r})
{before}
from support.fakes import LAKE, FakeTransport, accepted, client_of, status, video
transport = FakeTransport(accepted(), status("processing"), status("completed"), video())
{after}
result = client_of(transport).queue.submit_and_poll(LAKE, progress=True)
print(result.status, len(result.data))
"""

BROKEN = """
class Broken(io.StringIO):
    def isatty(self): return True
    def write(self, text): raise {error}
    def flush(self): raise {error}
sys.stderr = Broken()
"""

STDERR = {
    "none": "sys.stderr = None",
    "closed": "sys.stderr.close()",
    "no methods": "sys.stderr = object()",
    "broken pipe": BROKEN.format(error="OSError(32, 'Broken pipe')"),
    "full disk": BROKEN.format(error="OSError(28, 'No space left on device')"),
    "any error": BROKEN.format(error="RuntimeError('boom')"),
    "no isatty": BROKEN.format(error="KeyError('x')") + "Broken.isatty = lambda self: 1 / 0",
}


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Run a program like ``ran``, in a fork of a process that has imported decart."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    folder = tmp_path_factory.mktemp("programs")

    def run(after: str) -> str:
        program = folder / "program.py"
        program.write_text(PROGRAM.format(tests=str(Path(__file__).parent), before="", after=after), "utf-8")
        return warm.run(program, folder=folder).stdout.strip()

    with starter() as warm:
        yield run


def ran(before: str = "", shell: str = "") -> str:
    """Run a program that waits for a job with a bar, and return its output."""
    script = PROGRAM.format(tests=str(Path(__file__).parent), before=before, after="")
    command = ["sh", "-c", f'"$0" -c "$1" {shell}', sys.executable, script]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    return done.stdout.strip()


@pytest.mark.parametrize("kind", STDERR)
def test_a_wait_with_a_bar_survives_any_stderr_that_is_there_when_it_is_imported(kind: str) -> None:
    assert ran(before=STDERR[kind]) == f"completed {len(MP4)}"


@pytest.mark.parametrize("kind", STDERR)
def test_a_wait_with_a_bar_survives_any_stderr_that_replaces_the_first(kind: str, fork: Callable[[str], str]) -> None:
    assert fork(STDERR[kind]) == f"completed {len(MP4)}"


@pytest.mark.parametrize("shell", ["2>&-", "2>/dev/full", "2>&- <&-"])
def test_a_wait_with_a_bar_survives_a_closed_or_full_descriptor(shell: str) -> None:
    assert ran(shell=shell) == f"completed {len(MP4)}"


@pytest.mark.parametrize("method", ["__init__", "set_description_str", "refresh", "close"])
def test_a_wait_survives_a_failing_tqdm(method: str, fork: Callable[[str], str]) -> None:
    broken = f"from tqdm.auto import tqdm\ndef fail(*args, **options): raise KeyError('tqdm')\ntqdm.{method} = fail"
    assert fork(broken + "\nsys.stderr.isatty = lambda: True") == f"completed {len(MP4)}"


def test_a_tqdm_that_cannot_be_imported_is_reported_before_anything_is_sent() -> None:
    broken = "import types; sys.modules['tqdm'] = types.ModuleType('tqdm'); sys.modules['tqdm.auto'] = Fails('x')"
    fails = (
        "import types\nclass Fails(types.ModuleType):\n    def __getattr__(self, name): raise RuntimeError('broken')"
    )
    script = PROGRAM.format(tests=str(Path(__file__).parent), before=f"{fails}\n{broken}", after="")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.splitlines()[-1] == (
        f"decart.errors.{MissingExtraError.__name__}: tqdm is installed, but cannot be used to draw a bar "
        "(RuntimeError: broken)."
    )


class Terminal(io.StringIO):
    """A terminal that fails after a number of writes."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.writes = writes

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.writes -= 1
        if self.writes < 0:
            raise RuntimeError("the terminal is gone")
        return len(text)


@pytest.mark.parametrize("writes", range(8))
def test_a_bar_that_fails_is_dropped_and_logged_once(writes: int, caplog: pytest.LogCaptureFixture) -> None:
    with redirect_stderr(Terminal(writes)), Bar() as bar:
        for done in range(20):
            bar.on_progress(Progress(direction="upload", done=done, total=20))
            bar.on_poll(JobStatusResponse(job_id="j1", status="pending"))
    assert caplog.messages == ["the progress bar cannot be drawn and is disabled"]


def test_a_program_without_stderr_has_no_bar_and_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    with redirect_stderr(None), Bar() as bar:
        bar.on_poll(JobStatusResponse(job_id="j1", status="pending"))
    assert caplog.messages == []


def test_ctrl_c_in_a_bar_is_raised() -> None:
    class Pressed(Terminal):
        def write(self, text: str) -> int:
            raise KeyboardInterrupt

    with redirect_stderr(Pressed(0)), pytest.raises(KeyboardInterrupt):
        client_of(FakeTransport(accepted(), status("completed"))).queue.submit_and_poll(LAKE, progress=True)


# the log


class Broken(logging.Handler):
    """A handler that fails."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the log server is gone")


@contextmanager
def broken_log() -> Iterator[None]:
    """Make every log record of the package raise an error."""
    logger = logging.getLogger("decart")
    level, handler = logger.level, Broken()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
def test_a_failing_log_handler_goes_unnoticed(level: str) -> None:
    with broken_log():
        getattr(SafeLog(logging.getLogger("decart")), level)("job %s", "j1")
        with pytest.raises(RuntimeError):
            logging.getLogger("decart").warning("the handler does fail")


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
def test_the_log_names_the_place_that_logs(level: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "decart")
    log = SafeLog(logging.getLogger("decart"))
    assert log.isEnabledFor(logging.DEBUG)
    getattr(log, level)("job %s", "j1")
    (record,) = caplog.records
    assert (record.message, record.filename, record.levelname) == ("job j1", Path(__file__).name, level.upper())


def test_a_transfer_survives_a_failing_bar_and_callback_with_a_broken_log() -> None:
    with broken_log(), redirect_stderr(Terminal(0)), Bar() as bar:
        bar.on_poll(JobStatusResponse(job_id="j1", status="pending"))


@pytest.mark.parametrize("progress", [True, lambda progress: 1 / 0])
def test_a_wait_survives_a_broken_log(progress: Any) -> None:
    with broken_log(), redirect_stderr(Terminal(0)):
        transport = FakeTransport(accepted(), status("processing"), status("completed"), video())
        assert client_of(transport).queue.submit_and_poll(LAKE, progress=progress).data == MP4
