"""The Flask example behind a real server, its visitors, and the services that it uses."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import requests
from flask import Flask
from werkzeug.serving import make_server

from decart import JobRecord
from decart.emulator import Emulator, EmulatorServer, VirtualClock
from support.browser import PATIENCE
from support.documents import ROOT
from support.servers import Received, Server, answering, http
from support.studio import Studio

APP = ROOT / "examples" / "flask_app" / "app.py"
PAGE = "docs/in-flask.md"
VIDEO = ROOT / "examples" / "media" / "input.mp4"
MIB = 1024 * 1024
SECONDS = PATIENCE / 1000  # timeout; only reached if a test fails
MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(20)
UPLOAD = ("in.mp4", MP4, "video/mp4")


def load(path: Path) -> ModuleType:
    """Import the app, which is in no package."""
    spec = importlib.util.spec_from_file_location("flask_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["flask_example"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


flask_example = load(APP)


class Visitor:
    """The HTTP side of a visitor's browser: it keeps cookies, and sends the fields of the form."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str = "/", **options: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=SECONDS, **options)

    def form(self) -> dict[str, str]:
        """Open the form, and return its hidden fields."""
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', self.get().text))

    def send(self, form: Mapping[str, str], prompt: str = "a lake", file: Any = UPLOAD) -> requests.Response:
        files = {} if file is None else {"video": file}
        fields = {**form, "prompt": prompt}
        return self.session.post(f"{self.url}/jobs", fields, files=files, allow_redirects=False, timeout=SECONDS)

    def submit(self, prompt: str = "a lake", file: Any = UPLOAD) -> str:
        """Fill the form in, send it, and return the path of the job's page."""
        answer = self.send(self.form(), prompt, file)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def status(self, page: str) -> dict[str, Any]:
        """Check the status of a job, as the page's script does."""
        answer = self.get(f"{page}/status")
        assert answer.status_code == 200
        return dict(answer.json())


@attrs.frozen
class Site:
    """The app behind a real server."""

    app: Flask
    url: str

    def visitor(self) -> Visitor:
        return Visitor(self.url)

    def jobs(self) -> list[JobRecord]:
        """Return the jobs in the journal, the oldest first."""
        return [*self.app.extensions["decart"].jobs]

    def statuses(self) -> list[str]:
        """Return the status of each job as its page shows it, the oldest first."""
        return [flask_example.status_of(job) for job in self.jobs()]


@contextmanager
def serving_wsgi(app: Flask) -> Iterator[str]:
    """Serve an app with threads, and yield its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def site_of(service: str, folder: Path, **config: Any) -> Iterator[Site]:
    """Serve the app in front of this service, with a database of its own."""
    where = {"DECART_API_KEY": "dct_local", "DECART_BASE_URL": service, "DATABASE": str(folder / "jobs.sqlite3")}
    app = flask_example.create_app({"SECRET_KEY": "for this test", **where, **config})
    with serving_wsgi(app) as url:
        yield Site(app, url)
    app.extensions["decart"].close()


@attrs.frozen
class RunningEmulator:
    """An emulator over HTTP, with a recording renderer and a clock that the test advances; a job takes 4 s."""

    url: str
    clock: VirtualClock
    studio: Studio

    def finish(self) -> None:
        self.clock.sleep(4)


def said(status: str) -> bytes:
    """Return the service's response for a job, j1, with this status."""
    return http(200, json.dumps({"job_id": "j1", "status": status}).encode(), {"Content-Type": "application/json"})


ACCEPTED, PROCESSING, COMPLETED = said("pending"), said("processing"), said("completed")


def clerk(status: str = "processing") -> Any:
    """A service that accepts every job as j1, and reports this status."""

    told = said(status)

    def answer(request: Received, connection: int) -> bytes:
        return ACCEPTED if request.method == "POST" else told

    return answering(answer)


def methods(service: Server) -> list[str]:
    return [request.method for request in service.requests]


@contextmanager
def flask_run(service: str, folder: Path) -> Iterator[tuple[int, str]]:
    """Run the app with the README's command; yield its process id and its address."""
    settings = {"SECRET_KEY": "x", "DATABASE": str(folder / "jobs.sqlite3"), "DECART_API_KEY": "dct_local"}
    command = [sys.executable, "-m", "flask", "--app", str(APP), "run", "--port", "0"]
    environment = {**os.environ, **settings, "DECART_BASE_URL": service}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        url = next(found[1].decode() for line in process.stderr if (found := re.search(rb"Running on (\S+)", line)))
        rest = threading.Thread(target=process.stderr.read)  # so that its log does not block it
        rest.start()
        try:
            yield process.pid, url
        finally:
            process.terminate()
            rest.join()


@contextmanager
def site_with(renderer: Any, folder: Path, **settings: Any) -> Iterator[tuple[Site, VirtualClock]]:
    """Serve the app in front of an emulator whose clock the test advances."""
    clock = VirtualClock()
    with (
        Emulator(clock=clock, renderer=renderer, background=False, **settings) as emulator,
        EmulatorServer(emulator) as server,
        site_of(server.url, folder) as site,
    ):
        yield site, clock
