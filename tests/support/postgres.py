"""A PostgreSQL server of the tests' own, from Debian's package."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

SETTINGS = "-c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"


def _folder_of_programs() -> Path:
    """Return where Debian installs the newest server, or what is on the PATH; skip the test without one."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: float(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which("pg_ctl")
    if found is None:
        pytest.skip("no PostgreSQL server is installed (Debian's package postgresql)")
    return Path(found).parent


@attrs.frozen
class PostgreSQL:
    """A server that is running, and can be stopped and started."""

    programs: Path
    folder: Path
    port: int
    user: str | None

    @property
    def url(self) -> str:
        """The URL of its database."""
        return f"postgresql+psycopg://test@127.0.0.1:{self.port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of its programs; the server refuses to run as root."""
        command = [str(self.programs / program), "-D", str(self.folder / "data"), *arguments]
        ended = subprocess.run(
            command, user=self.user, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert ended.returncode == 0, ended.stderr

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        options = f"-p {self.port} -k {self.folder} {SETTINGS}"
        self.run("pg_ctl", "start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self) -> None:
        """Stop the server at once, as a crash does."""
        self.run("pg_ctl", "stop", "-w", "-m", "immediate")

    def restart(self) -> None:
        """Stop the server at once, and start it again."""
        self.stop()
        self.start()


@contextmanager
def server() -> Iterator[PostgreSQL]:
    """Run a server with an empty database; skip the test if none is installed."""
    programs, user = _folder_of_programs(), "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pg") as name, socket.create_server(("127.0.0.1", 0)) as port:
        folder = Path(name)
        if user is not None:
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        postgres = PostgreSQL(programs, folder, port.getsockname()[1], user)
        postgres.run("initdb", "--no-sync", "--auth=trust", "--username=test", "--encoding=UTF8", "--locale=C.UTF-8")
        port.close()
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()
