"""Run the workers of a task queue, with what they use: a service, a folder, and the programs in `examples`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from workers.running import KEY, small_environment

from decart.emulator import Emulator, EmulatorServer, VirtualClock
from decart.emulator.logged import LoggedRequest
from decart.emulator.requestlog import RequestLog
from support.documents import ROOT

EXAMPLES = ROOT / "examples"
PATIENCE = 60.0  # seconds; never reached when all is well


class WatchedLog(RequestLog):
    """A request log that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def note(self, request: LoggedRequest) -> None:
        with self._changed:
            super().note(request)
            self._changed.notify_all()

    def wait_for(self, count: int, **wanted: object) -> None:
        """Wait until there are so many requests with these attributes."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.count(**wanted) >= count, PATIENCE), list(self)


class Worker:
    """A process, with those that it starts, whose output is read line by line.

    Attributes:
        lines: What it has printed.
    """

    def __init__(self, command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        self._process.stdout.close()

    def wait_for(self, *words: str) -> None:
        """Wait until each of these is in a line that it has printed."""

        def printed() -> bool:
            return all(any(word in line for line in self.lines) for word in words)

        with self._changed:
            assert self._changed.wait_for(printed, PATIENCE), "".join(self.lines)

    def stop(self) -> None:
        """Let it finish what it does, and end."""
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def kill(self) -> None:
        """Kill it with all its processes, as a machine does that loses its power."""
        if self._process.poll() is None:
            for pid in stopped_family(self._process.pid):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)


def stopped_family(pid: int) -> list[int]:
    """Stop a process and all its descendants, so that none notices the end of another; return their ids (Linux)."""
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for thread in threads for child in thread.read_text().split()]
    return [pid, *(each for child in children for each in stopped_family(child))]


@attrs.frozen
class Workshop:
    """A folder in which workers make the videos of a service.

    Attributes:
        folder: The folder.
        emulator: The service.
        environment: The environment of the workers.
        started: The workers that were started.
    """

    folder: Path
    emulator: Emulator
    environment: dict[str, str]
    started: list[Worker] = attrs.field(factory=list)

    @property
    def log(self) -> WatchedLog:
        """The requests that the service has received."""
        assert isinstance(self.emulator.requests, WatchedLog)
        return self.emulator.requests

    def end_jobs(self) -> None:
        """Let the jobs that were submitted so far complete."""
        assert isinstance(self.emulator.clock, VirtualClock)
        self.emulator.clock.advance(10)

    def run(self, *command: str) -> str:
        """Run a program to its end, and return what it prints."""
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def start(self, *command: str) -> Worker:
        """Start a worker; it is killed when the test ends."""
        worker = Worker([*command], self.folder, self.environment)
        self.started.append(worker)
        return worker

    def videos(self) -> dict[str, bytes]:
        """Return the files in the folder of the videos."""
        return {path.name: path.read_bytes() for path in self.folder.glob("videos/*")}

    def accepted(self) -> list[str]:
        """Return the prompts of the jobs that were accepted, sorted."""
        return sorted(request.fields["prompt"] for request in self.log.submits if request.job_id is not None)


@contextmanager
def workshop(folder: Path, render: Callable[..., Any], **environment: str) -> Iterator[Workshop]:
    """Serve an emulator whose jobs end when its clock is advanced, and make a folder with an input video."""
    (folder / "input.mp4").write_bytes(b"a video")
    with Emulator(clock=VirtualClock(), renderer=render) as emulator:
        emulator.requests = WatchedLog()
        with EmulatorServer(emulator, grace=0.1) as server:
            programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
            surroundings = small_environment(
                DECART_BASE_URL=server.url, DECART_API_KEY=KEY, PATH=programs, **environment
            )
            paths = [str(EXAMPLES), str(ROOT), surroundings["PYTHONPATH"]]
            surroundings["PYTHONPATH"] = os.pathsep.join(paths)
            made = Workshop(folder, emulator, surroundings)
            try:
                yield made
            finally:
                for worker in made.started:
                    worker.kill()
