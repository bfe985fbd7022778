"""Run the command line as people do: as a program, in a pipe or in a terminal."""

from __future__ import annotations

import errno
import io
import os
import re
import select
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from workers.running import KEY, PATIENCE, small_environment

from decart.cli.main import main
from decart.emulator import Emulator, EmulatorServer, VirtualClock
from decart.emulator.render import RenderJob
from decart.models import IMAGE_TASKS
from support.fakes import MP4
from support.images import PNG

_SCRIPT = Path(sys.executable).with_name("decart")
COMMAND = [str(_SCRIPT)] if _SCRIPT.exists() else [sys.executable, "-m", "decart"]
"""The installed command, or the package that is under test."""

_IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # Ctrl-C reaches the processes of the controlling terminal only
os.execv(sys.argv[1], sys.argv[1:])
"""


def decart(*arguments: str, input: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end; ``environment`` is added to a minimal one."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=input,
        capture_output=True,
        env=small_environment(**environment),
        timeout=PATIENCE,
        check=False,
    )


Renderer = Callable[[RenderJob, Path], None]


def _render(job: RenderJob, target: Path) -> None:
    """Make a file at once."""
    target.write_bytes(PNG if job.task in IMAGE_TASKS else MP4)


@contextmanager
def served(
    *faults: str,
    seconds: float = 0.1,
    seconds_per_check: float = 0.0,
    is_still: bool = False,
    renderer: Renderer = _render,
) -> Iterator[tuple[Emulator, dict[str, str]]]:
    """Run an emulator over HTTP; yield it, and the environment of a command that uses it.

    Args:
        seconds: How long a job is pending, and then processed.
        seconds_per_check: Seconds by which each status check advances its clock, which then does nothing else.
        is_still: Whether time stands still, so that a job is pending until the test advances the clock.
        renderer: Makes the files.
    """
    clock = VirtualClock() if seconds_per_check or is_still else None
    emulator = Emulator(pending=seconds, processing=seconds, faults=faults, renderer=renderer, clock=clock)
    with emulator, EmulatorServer(emulator, seconds_per_check=seconds_per_check) as server:
        yield emulator, {"DECART_BASE_URL": server.url, "DECART_API_KEY": KEY}


def advance(emulator: Emulator, seconds: float = 1.0) -> None:
    """Let time pass for an emulator whose clock stands still; by default, until its jobs are done."""
    assert isinstance(emulator.clock, VirtualClock)
    emulator.clock.advance(seconds)


@contextmanager
def served_here(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[Emulator]:
    """Make a folder the current one, and serve an emulator whose address and key are in the environment."""
    monkeypatch.chdir(folder)
    with served(**settings) as (emulator, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield emulator


def service_here() -> dict[str, str]:
    """Return the environment of a command that uses the same service as this process."""
    return {name: os.environ[name] for name in ("DECART_BASE_URL", "DECART_API_KEY")}


def start(*arguments: str, environment: dict[str, str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a command with pipes in place of its standard streams."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([*COMMAND, *arguments], env=small_environment(**environment), **{**pipes, **options})


@contextmanager
def interrupting(sent: bytes, number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve what never responds, to commands in this process: once it has received a text, they get a signal."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as received:
            if any(sent in line for line in received):
                signal.pthread_kill(threading.main_thread().ident or 0, number)
                has_ended.wait(PATIENCE)

    has_ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("DECART_BASE_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("DECART_API_KEY", KEY)
        server = threading.Thread(target=serve)
        server.start()
        try:
            yield
        finally:
            has_ended.set()
            server.join(PATIENCE)


def wait_for(command: subprocess.Popen[bytes], pattern: str) -> str:
    """Read what a command writes to stderr until a line matches a pattern; return all of it."""
    assert command.stderr is not None
    text = ""
    for line in command.stderr:
        text += line.decode()
        if re.search(pattern, line.decode()):
            return text
    raise AssertionError(f"it ended without {pattern!r}:\n{text}")


def resume(text: str) -> int:
    """Run the command that the last line of a text proposes, in this process; return its exit code."""
    *_, last = text.splitlines()
    assert last.startswith("Resume with: decart ")
    return main(shlex.split(last)[3:])


class Terminal:
    """A command in a terminal of 100 columns; use it as a context manager.

    Attributes:
        text: What the command has written so far.
    """

    def __init__(self, *arguments: str, **environment: str) -> None:
        import fcntl  # there are no such terminals on Windows
        import pty
        import termios

        self.text = ""
        self._fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _IN_TERMINAL, *COMMAND, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env=small_environment(**{"TERM": "xterm-256color", **environment}),
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        os.close(self._fd)

    def type(self, keys: bytes) -> None:
        """Type keys: ``\\x03`` is Ctrl-C."""
        os.write(self._fd, keys)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the command has written something, and return the match."""
        while not (found := re.search(pattern, self.text)):
            assert self._read(), f"it ended without {pattern!r}:\n{self.text}"
        return found

    def end(self) -> int:
        """Wait for the end of the command, and return its exit code."""
        while self._read():
            pass
        return self._process.wait(PATIENCE)

    def _read(self) -> bool:
        """Read what the command writes next; return whether it goes on."""
        readable, _, _ = select.select([self._fd], [], [], PATIENCE)
        assert readable, f"nothing more in {PATIENCE:.0f} s:\n{self.text}"
        try:
            data = os.read(self._fd, 65_536)
        except OSError:  # EIO: nobody has it open any more
            return False
        self.text += data.decode()
        return bool(data)

    @property
    def screen(self) -> list[str]:
        """The lines that are to be seen now."""
        return [_overwritten(line) for line in self.text.replace("\r\n", "\n").split("\n")]


def _overwritten(line: str) -> str:
    """Return what a line shows whose parts overwrite each other, each from the first column on."""
    shown = ""
    for part in line.split("\r"):
        shown = part + shown[len(part) :]
    return shown.rstrip()


class BrokenPipe(io.RawIOBase):
    """A pipe whose reader has ended."""

    def writable(self) -> bool:
        """Return that it is for writing."""
        return True

    def write(self, data: object) -> int:
        """Fail."""
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def close(self) -> None:
        """Do nothing: what is left in a buffer above cannot be written."""


class FakeTerminal(StringIO):
    """What a command takes for a terminal, in the process of the test."""

    def isatty(self) -> bool:
        """Return that it is a terminal."""
        return True


def interrupt(process: subprocess.Popen[bytes], number: int = signal.SIGINT) -> tuple[int, str, str]:
    """Send a signal to a command; return its exit code and what it wrote."""
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    return process.returncode, stdout.decode(), stderr.decode()
