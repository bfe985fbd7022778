"""A Redis server of the tests' own, from Debian's package, and the site's Celery worker."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.django_processes import ending, free_address, start, until


@contextmanager
def redis() -> Iterator[str]:
    """Run a server with nothing in it; yield its URL. Skip the test if none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no Redis server is installed (Debian's package redis-server)")
    host, port = free_address().split(":")
    with tempfile.TemporaryDirectory(prefix="redis") as folder:
        settings = ["--bind", host, "--port", port, "--dir", folder, "--save", "", "--appendonly", "no"]
        with ending(start(program, *settings)) as server:
            until(server, "Ready to accept connections")
            yield f"redis://{host}:{port}/0"


@contextmanager
def worker(folder: Path, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """Run the site's worker with its beat, as in the README, and wait until it is ready."""
    command = ["-A", "mysite", "worker", "-B", "--loglevel=INFO", "--concurrency=2"]
    files = [f"--schedule={folder / 'beat'}", "--without-mingle", "--without-gossip"]
    with ending(start(sys.executable, "-m", "celery", *command, *files, **environ)) as process:
        until(process, " ready.")
        yield process
