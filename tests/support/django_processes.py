"""The site of `examples/django_app` in processes of its own, as in its README: commands, the web server."""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from support.django_app import EXAMPLE, environment
from support.django_visits import hidden

MANAGE = [sys.executable, "-W", "error", "manage.py"]
USER, PASSWORD = "ann", "correct horse"


def manage(*command: str, **environ: str) -> str:
    """Run a command of the site; return its output."""
    done = subprocess.run(
        [*MANAGE, *command],
        cwd=EXAMPLE,
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def start(*command: str, **environ: str) -> subprocess.Popen[str]:
    """Start a command in the folder of the site; what it prints and logs is in its ``stdout``."""
    return subprocess.Popen(
        command,
        cwd=EXAMPLE,
        env=environment(**environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process that was started here, with those that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def until(process: subprocess.Popen[str], text: str) -> str:
    """Read what a process prints until a line has this text, and return it."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """End a process by SIGTERM, or if the block fails by SIGKILL."""
    try:
        yield process
        process.terminate()
        process.communicate(timeout=60)
    finally:
        kill(process)
        process.communicate()


def new_site(folder: Path, service: str) -> dict[str, str]:
    """Create a database with an account in it; return the environment of the site."""
    database = folder / "db.sqlite3"
    database.write_bytes(_database())
    return {
        "DJANGO_DEBUG": "1",
        "DJANGO_SQLITE": str(database),
        "DJANGO_MEDIA": str(folder / "media"),
        "DECART_API_KEY": "dct_local",
        "DECART_BASE_URL": service,
    }


@functools.cache
def _database() -> bytes:
    """Return a database with an account in it, which the commands of the README make."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "db.sqlite3")
        environ = {"DJANGO_DEBUG": "1", "DJANGO_SQLITE": str(path)}
        manage("migrate", **environ)
        account = ["--noinput", f"--username={USER}", "--email=a@a.test"]
        manage("createsuperuser", *account, DJANGO_SUPERUSER_PASSWORD=PASSWORD, **environ)
        return path.read_bytes()


def free_address() -> str:
    """Return an address that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return "127.0.0.1:{1}".format(*free.getsockname())


@contextmanager
def running(address: str | None = None, **environ: str) -> Iterator[tuple[str, int]]:
    """Run the site as in its README; yield its address and its process id."""
    address = address or free_address()
    command = [*MANAGE, "runserver", "--noreload", address]
    process = subprocess.Popen(command, cwd=EXAMPLE, env=environment(**environ), stdout=subprocess.DEVNULL)
    try:
        yield f"http://{address}", process.pid
    finally:
        process.terminate()
        process.wait()


def wait_for(session: requests.Session, url: str) -> None:
    """Wait until the site responds."""
    session.mount(
        "http://", HTTPAdapter(max_retries=Retry(total=None, connect=200, backoff_factor=0.1, backoff_max=0.2))
    )
    session.get(f"{url}/login/")


def sign_in(session: requests.Session, url: str) -> None:
    """Sign in, as soon as the site responds."""
    wait_for(session, url)
    form = {**hidden(session.get(f"{url}/login/").text), "username": USER, "password": PASSWORD}
    assert session.post(f"{url}/login/", form, headers={"Referer": url}).url == f"{url}/"
