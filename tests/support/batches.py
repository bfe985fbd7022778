"""A folder in which batches are run against an emulator, in this process."""

from __future__ import annotations

import json
import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from decart import JobRecord, SQLiteJournal
from decart.cli.main import main
from decart.emulator import Emulator, EmulatorServer

KEY = "dct_test"


class Done(NamedTuple):
    """What a command did: its exit code, and what it wrote."""

    code: int
    stdout: str
    stderr: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The lines of standard output, which are JSON."""
        return [json.loads(line) for line in self.stdout.splitlines()]


class Batches:
    """The current folder, and a service.

    Attributes:
        folder: The folder.
        server: The service.
    """

    def __init__(self, folder: Path, server: EmulatorServer, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.server, self._capsys = folder, server, capsys

    @property
    def emulator(self) -> Emulator:
        return self.server.emulator

    @property
    def submits(self) -> int:
        """How many jobs were accepted, and are paid for; a request that Ctrl-C has cut off before its body is none."""
        return len([request for request in self.emulator.requests.submits if request.job_id is not None])

    def run(self, *arguments: str) -> Done:
        """Run a command in this process."""
        try:
            code = main(arguments)
        except SystemExit as error:  # argparse
            assert isinstance(error.code, int)
            code = error.code
        return Done(code, *self._capsys.readouterr())

    def batch(self, *arguments: str, file: str = "jobs.jsonl") -> Done:
        """Run a batch whose videos go to the folder ``videos``."""
        return self.run("batch", file, "--out", "videos", *arguments)

    def write(self, *lines: Any, name: str = "jobs.jsonl") -> None:
        """Write a list; lines that are no text are written as JSON."""
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        (self.folder / name).write_text("".join(f"{text}\n" for text in texts), "utf-8")

    def results(self) -> list[dict[str, Any]]:
        """Return the lines of ``results.jsonl``, sorted."""
        return results_in(self.folder / "videos")

    def videos(self) -> dict[str, str]:
        """Return what is in the videos."""
        root = self.folder / "videos"
        return {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.mp4"))}

    def records(self, journal: str = "videos.db") -> list[JobRecord]:
        """Return what is in the journal."""
        with closing(SQLiteJournal(self.folder / journal)) as opened:
            return list(opened.select())


def results_in(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of ``results.jsonl`` in a folder, sorted."""
    lines = (folder / "results.jsonl").read_text().splitlines()
    return sorted(map(json.loads, lines), key=lambda result: result["line"])


def lake(number: int = 0, **more: Any) -> dict[str, Any]:
    """Return a line of a list."""
    return {"model": "lucy-pro-t2v", "prompt": f"Lake {number}", **more}


def render(job: Any, target: Path) -> None:
    """Make a video at once."""
    target.write_text(f"video of {job.prompt}")


def emulator_of(**settings: Any) -> Emulator:
    """Return an emulator that makes short texts in place of videos."""
    return Emulator(**({"pending": 0, "processing": 0, "renderer": render, "api_keys": [KEY]} | settings))


@contextmanager
def batches(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> Iterator[Batches]:
    """Serve an emulator, and make a folder the current one."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # a command replaces it, and others
    monkeypatch.setattr(logging.getLogger("decart"), "level", logging.NOTSET)
    terminate = signal.getsignal(signal.SIGTERM)
    emulator = emulator_of(**settings)
    try:
        with closing(emulator), EmulatorServer(emulator, grace=0.1) as server:
            monkeypatch.setenv("DECART_BASE_URL", server.url)
            monkeypatch.setenv("DECART_API_KEY", KEY)
            yield Batches(folder, server, capsys)
    finally:
        signal.signal(signal.SIGTERM, terminate)
