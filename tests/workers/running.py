"""Start processes: the service, gunicorn, and programs that use the service."""

from __future__ import annotations

import contextlib
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workers.answers import Gave
from workers.service import Seen

TESTS = Path(__file__).parents[1]
PATIENCE = 60.0  # seconds; never reached when all is well
KEY = "dct_test"


class Running:
    """A service that runs."""

    def __init__(self, port: int, certificate: Path | None) -> None:
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{port}"
        self.environment = small_environment(DECART_BASE_URL=self.url, DECART_API_KEY=KEY)
        self._context = None
        if certificate:
            self.environment["REQUESTS_CA_BUNDLE"] = str(certificate)
            self._context = ssl.create_default_context(cafile=certificate)

    def ask(self, what: str) -> Any:
        """Send a control request to the service; see `workers.service`."""
        with urllib.request.urlopen(f"{self.url}/{what}", context=self._context, timeout=PATIENCE) as answer:
            return json.load(answer)

    def seen(self) -> list[Seen]:
        """Return the requests on each connection."""
        seen: list[Seen] = self.ask("seen")
        return seen


def small_environment(**more: str) -> dict[str, str]:
    """Return a minimal environment for a process, without settings of the user."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    paths = [*filter(None, [os.environ.get("PYTHONPATH")]), str(TESTS)]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), **more}


@contextlib.contextmanager
def service(certificate: tuple[Path, Path] | None = None) -> Iterator[Running]:
    """Run the service while the ``with`` block lasts, over TLS if there is a certificate with its key."""
    command = [sys.executable, "-m", "workers.service", *map(str, certificate or ())]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=small_environment(), **pipes) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield Running(int(process.stdout.readline()), certificate and certificate[0])
        finally:
            process.stdin.close()


def run(at: Running, module: str, *arguments: str, patience: float = PATIENCE, **environment: str) -> Any:
    """Run a program to its end, and return its output, which is JSON."""
    command = [sys.executable, "-W", "error", "-m", f"workers.{module}", *arguments]
    surroundings = {**at.environment, **environment}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=patience, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return json.loads(done.stdout)


class Gunicorn:
    """An app behind gunicorn.

    Attributes:
        process: Gunicorn's own process, the parent of its workers.
        log: The lines that it has written.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self.process = process
        self.log: list[str] = []
        self._port = self._find_port(process.stderr)
        self._reader = threading.Thread(target=self.log.extend, args=(process.stderr,))
        self._reader.start()

    def _find_port(self, lines: Any) -> int:
        for line in lines:
            self.log.append(line)
            found = re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", line)
            if found:
                return int(found[1])
        raise AssertionError("".join(self.log))

    def ask(self, path: str, form: bytes | None = None) -> bytes:
        """Send a request over a new connection, so that any worker may respond.

        Raises:
            OSError: The answer is an error, or there is none.
        """
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", form, timeout=PATIENCE) as answer:
            body: bytes = answer.read()
        return body

    def calls(self, kind: str = "") -> list[Gave]:
        """Make `workers.app` send some calls."""
        calls: list[Gave] = json.loads(self.ask(f"/{kind}"))
        return calls

    def stop(self) -> None:
        """Terminate it as a user would."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)


@contextlib.contextmanager
def gunicorn(at: Running, *options: str, app: str = "workers.app", folder: Path = TESTS) -> Iterator[Gunicorn]:
    """Run an app behind gunicorn while the ``with`` block lasts."""
    command = [sys.executable, "-W", "error", "-m", "gunicorn", "--bind=127.0.0.1:0", *options, app]
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())  # new versions keep a control socket there
        environment = {"HOME": home, **at.environment}
        pipes: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True}
        process = stack.enter_context(subprocess.Popen(command, env=environment, cwd=folder, **pipes))
        running = Gunicorn(process)
        stack.callback(running.stop)
        yield running


def drive(app: Gunicorn, calls: int, workers: int, *, browsers: int = 16) -> list[Gave]:
    """Send requests from many threads, until enough calls were made and enough workers took part."""
    made: list[Gave] = []
    failures: list[BaseException] = []

    def done() -> bool:
        return bool(failures) or (len(made) >= calls and len({call["process"] for call in made}) >= workers)

    def browse() -> None:
        try:
            while not done():
                made.extend(app.calls())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=browse) for _ in range(browsers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return made
