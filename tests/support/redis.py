"""A Redis server of the tests' own, from Debian's package."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PATIENCE = 20.0  # seconds; never reached when all is well
READY = "Ready to accept connections"


@contextmanager
def server() -> Iterator[str]:
    """Run a server that is empty, and keeps nothing on the disk; yield its URL. Skip the test if none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no Redis server is installed (Debian's package redis-server)")
    with tempfile.TemporaryDirectory(prefix="redis") as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        with subprocess.Popen([program, *settings], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                assert any(READY in line for line in process.stdout), "it has ended"
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                process.terminate()
                process.communicate(timeout=PATIENCE)
