"""The emulator as a server, in Python and from the command line."""

from __future__ import annotations

import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.raw import multipart
from support.studio import Studio

from decart import DecartClient, models
from decart.emulator import Emulator, EmulatorServer
from decart.emulator.faults import KINDS
from decart.emulator.render import RenderJob
from decart.emulator.routes import ROUTES


def test_a_server_with_its_own_emulator_makes_a_video_and_cleans_up(temporary: Path) -> None:
    with EmulatorServer() as server:
        (folder,) = temporary.iterdir()
        client = DecartClient(api_key="dct_test", base_url=server.url)
        client.queue.submit({"model": models.video("lucy-pro-i2v"), "prompt": "x", "data": b"no picture"})
        client.close()
        assert folder.exists()
    assert not folder.exists()


def test_a_server_that_was_never_started_can_be_closed(temporary: Path) -> None:
    EmulatorServer().close()
    assert list(temporary.iterdir()) == []


def test_an_emulator_that_is_passed_in_outlives_its_server(temporary: Path) -> None:
    with Emulator(renderer=Studio()) as emulator:
        with EmulatorServer(emulator):
            pass
        assert len(list(temporary.iterdir())) == 1
    assert list(temporary.iterdir()) == []


def test_a_connection_is_kept_for_the_next_request() -> None:
    with EmulatorServer() as server, socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as sock:
        file = sock.makefile("rb")
        for _ in range(2):
            sock.sendall(b"GET /v1/jobs/x HTTP/1.1\r\nHost: emulator\r\nX-API-KEY: dct_x\r\n\r\n")
            assert file.readline() == b"HTTP/1.1 404 NOT FOUND\r\n"
            length = next(int(line.split(b":")[1]) for line in file if line.lower().startswith(b"content-length"))
            while file.readline() != b"\r\n":
                pass
            file.read(length)
        file.close()


def test_connections_idle_for_longer_than_clients_keep_them() -> None:
    with EmulatorServer() as server, socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as sock:
        sock.sendall(b"GET /v1/jobs/x HTTP/1.0\r\nHost: emulator\r\nConnection: Keep-Alive\r\n\r\n")
        assert b"Keep-Alive: timeout=75\r\n" in sock.recv(10_000)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    with EmulatorServer(host="::1") as server:
        assert server.url.startswith("http://[::1]:")


def run(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "decart.emulator", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_its_address_and_exits_cleanly(ending: signal.Signals) -> None:
    with run("--port", "0", "--api-key", "mine") as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        url = ready.split()[-1]
        assert url.startswith("http://127.0.0.1:")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{url}/v1/jobs/x", timeout=5)
        caught.value.close()
        process.send_signal(ending)
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output) == (0, "")
    assert "GET /v1/jobs/x -> 401" in errors
    assert errors.endswith("\nStopped.\n")
    assert "Traceback" not in errors


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
def test_the_command_warns_when_others_can_reach_it(host: str, warned: bool) -> None:
    with run("--host", host, "--port", "0") as process:
        assert process.stdout is not None
        assert "placeholder media" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert ("other machines" in errors) == warned
    assert errors.endswith("Stopped.\n")


def test_without_the_extra_the_command_says_how_to_install_it() -> None:
    script = (
        "import runpy, sys; sys.modules['werkzeug'] = None; sys.argv = ['emulator']; "  # None: as if not installed
        "runpy.run_module('decart.emulator', run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    install = "pip install 'decart-queue[emulator]'"
    assert ended.stderr == f"decart: error: This feature needs werkzeug, from the extra 'emulator': {install}\n"


def test_help_says_that_the_pictures_are_placeholders() -> None:
    with run("--help") as process:
        output, _ = process.communicate(timeout=20)
    assert "placeholders" in output
    assert process.returncode == 0


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "decart.emulator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_help_names_every_option_route_and_fault() -> None:
    told = ended("--help").stdout
    assert [name for name in KINDS if f"\n  {name}" not in told] == []
    assert [route.path.split("<")[0] for route in ROUTES if route.path.split("<")[0] not in told] == []
    assert "--fault" in told and "/_emulator/requests" in told


@pytest.mark.parametrize(
    ("fault", "why"),
    [("nonsense", "there is no fault"), ("status:5", "code must be"), ("drop-after,word=x", "it takes no 'word'")],
)
def test_an_invalid_fault_is_refused_before_the_server_starts(fault: str, why: str) -> None:
    done = ended("--fault", fault)
    assert done.returncode == 2
    assert why in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_faults_retired_models_and_quiet_are_options() -> None:
    with run("--port", "0", "--fault", "status:503,on=status,retry_after=7", "--today", "--quiet") as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        asked = [(f"{url}/v1/jobs/x", None), (f"{url}/v1/jobs/x", None), (f"{url}/v1/jobs/lucy-pro-t2v", b"")]
        answered = []
        for address, body in asked:
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(urllib.request.Request(address, body, {"X-API-KEY": "dct_x"}), timeout=5)
            answered.append((caught.value.code, caught.value.headers["Retry-After"]))
            caught.value.close()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert answered == [(503, "7"), (404, None), (410, None)]
    assert errors == ""


def test_custom_models_and_the_layout_of_files_are_options() -> None:
    options = ("--model", "lucy-preview=video-edit", "--layout", "end", "--fps", "24")
    with run("--port", "0", *options) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with pytest.raises(urllib.error.HTTPError) as caught:
            asked = urllib.request.Request(f"{url}/v1/jobs/lucy-preview", b"", {"X-API-KEY": "dct_x"})
            urllib.request.urlopen(asked, timeout=5)
        caught.value.close()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert caught.value.code == 422  # the model is known, and its file is missing


def test_stalled_responses_block_no_other_request() -> None:
    with Emulator(renderer=Studio(), faults="stall:1000,on=status,times=20") as emulator, ExitStack() as stack:
        server = stack.enter_context(EmulatorServer(emulator, grace=0.01))
        address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        for path, count in (("jobs/x", 20), ("jobs/x/content", 1)):
            for _ in range(count):
                sock = stack.enter_context(socket.create_connection(address, timeout=20))
                sock.sendall(b"GET /v1/%b HTTP/1.1\r\nHost: emulator\r\nX-API-KEY: dct_x\r\n\r\n" % path.encode())
        assert sock.recv(20).startswith(b"HTTP/1.1 404")


# ---------------------------------------------------------------- stopping, and clients that go


def test_a_closed_server_has_no_threads_for_requests_and_responses() -> None:
    with EmulatorServer() as server, socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as sock:
        sock.sendall(b"GET /v1/jobs/x HTTP/1.1\r\nHost: emulator\r\nX-API-KEY: dct_x\r\n\r\n")
        assert sock.recv(1) == b"H"
    assert [each.name for each in threading.enumerate() if each.name.startswith("decart-emulator")] == []


def test_a_slow_response_is_cut_off_by_a_server_that_stops_without_waiting_for_it() -> None:
    at_it, may_go_on = threading.Event(), threading.Event()

    def slowly(order: RenderJob, target: Path) -> None:
        at_it.set()
        may_go_on.wait()

    with Emulator(renderer=slowly) as emulator, EmulatorServer(emulator, grace=0.01) as server:
        port = int(server.url.rsplit(":", 1)[1])
        body = multipart({"prompt": "x"}, {"data": b"x"})
        head = f"POST /v1/generate/lucy-image-2 HTTP/1.1\r\nHost: emulator\r\nContent-Length: {len(body)}\r\n"
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(
                head.encode() + b"X-API-KEY: dct_x\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n" + body
            )
            assert at_it.wait(20)
            server.close()
            assert sock.recv(1) == b""
            may_go_on.set()


def test_a_stalled_response_is_finished_when_the_server_stops() -> None:
    with (
        Emulator(renderer=Studio(), faults="stall:1000,bytes=1") as emulator,
        EmulatorServer(emulator) as server,
        socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as sock,
    ):
        sock.sendall(b"GET /v1/jobs/x HTTP/1.1\r\nHost: emulator\r\nX-API-KEY: dct_x\r\n\r\n")
        assert sock.recv(1) == b"H"
        server.close()
        with sock.makefile("rb") as rest:
            assert rest.readline() == b"TTP/1.1 404 NOT FOUND\r\n"
            assert b"Job not found" in rest.read()


@pytest.mark.parametrize("requests", [1, 200], ids=["waiting", "sending more requests than are read at once"])
def test_a_silence_ends_by_itself_for_a_client_that_stays(requests: int) -> None:
    with (
        Emulator(renderer=Studio(), faults="stall:0.3") as emulator,
        EmulatorServer(emulator) as server,
        socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as sock,
    ):
        request = b"GET /v1/jobs/x HTTP/1.1\r\nHost: emulator\r\nX-API-KEY: dct_x\r\n"
        sock.sendall((requests - 1) * (request + b"\r\n") + request + b"Connection: close\r\n\r\n")
        with sock.makefile("rb") as file:
            assert file.read().count(b"HTTP/1.1 404 NOT FOUND\r\n") == requests


class Listener(logging.Handler):
    """A log handler that keeps its lines, and signals when there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.heard.set()


@pytest.fixture
def listener(caplog: pytest.LogCaptureFixture) -> Iterator[Listener]:
    caplog.set_level(logging.INFO, "decart.emulator")
    listener, log = Listener(), logging.getLogger("decart.emulator")
    log.addHandler(listener)
    yield listener
    log.removeHandler(listener)


@pytest.mark.parametrize("reset", [False, True])
def test_a_disconnected_client_is_detected(reset: bool, listener: Listener) -> None:
    with Emulator(renderer=Studio(), faults="stall:1000,bytes=1") as emulator, EmulatorServer(emulator) as server:
        with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as sock:
            sock.sendall(b"GET /v1/jobs/x HTTP/1.1\r\nHost: emulator\r\nX-API-KEY: dct_x\r\n\r\n")
            with sock.makefile("rb") as response:
                while response.readline() != b"\r\n":
                    pass
                assert response.read(1) == b"{"
            assert listener.lines == []  # the exchange goes on
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert listener.heard.wait(20)
    assert "GET /v1/jobs/x -> 404, 0 B in, 1 B out" in listener.lines[0]
