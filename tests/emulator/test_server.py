"""The box as a server, and from the command line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from studio import Studio

from decart import DecartClient, models
from decart.emulator import Emulator, EmulatorServer


def test_a_server_of_its_own_emulator_makes_a_video_and_cleans_up(tmp_path: Path) -> None:
    with EmulatorServer() as server:
        folder = server._emulator._folder
        client = DecartClient(api_key="dct_test", base_url=server.url)
        client.queue.submit({"model": models.video("lucy-pro-i2v"), "prompt": "x", "data": b"no picture"})
        client.close()
        assert folder.exists()
    assert not folder.exists()


def test_an_emulator_that_is_given_outlives_its_server() -> None:
    with Emulator(renderer=Studio()) as emulator:
        with EmulatorServer(emulator):
            pass
        assert emulator._folder.exists()


def test_a_connection_is_kept_for_the_next_request() -> None:
    with EmulatorServer() as server, socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as sock:
        file = sock.makefile("rb")
        for _ in range(2):
            sock.sendall(b"GET /v1/jobs/x HTTP/1.1\r\nHost: box\r\nX-API-KEY: dct_x\r\n\r\n")
            assert file.readline() == b"HTTP/1.1 404 NOT FOUND\r\n"
            length = next(int(line.split(b":")[1]) for line in file if line.lower().startswith(b"content-length"))
            while file.readline() != b"\r\n":
                pass
            file.read(length)
        file.close()


def test_an_ipv6_address_is_written_in_brackets() -> None:
    with EmulatorServer(host="::1") as server:
        assert server.url.startswith("http://[::1]:")


def run(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "decart.emulator", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_where_it_listens_and_ends_cleanly(ending: signal.Signals) -> None:
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
    assert (process.returncode, output) == (0, "Stopped.\n")
    assert "GET /v1/jobs/x -> 401" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
def test_the_command_warns_when_others_can_reach_it(host: str, warned: bool) -> None:
    with run("--host", host, "--port", "0") as process:
        assert process.stdout is not None
        assert "placeholder pictures" in process.stdout.readline()
        if warned:
            assert "other machines" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert output == "Stopped.\n"


def test_a_port_that_is_taken_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, run("--port", str(taken.getsockname()[1])) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors.startswith("Cannot listen on 127.0.0.1:")
    assert "Traceback" not in errors


def test_without_the_extra_the_command_says_how_to_install_it() -> None:
    script = (
        "import runpy, sys; sys.modules['werkzeug'] = None; sys.argv = ['emulator']; "  # None: as if not installed
        "runpy.run_module('decart.emulator', run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 2
    assert ended.stderr == (
        "This needs the extra 'emulator', whose packages are not all installed (werkzeug missing): "
        "pip install 'decart[emulator]'\n"
    )


def test_help_says_that_the_pictures_are_placeholders() -> None:
    with run("--help") as process:
        output, _ = process.communicate(timeout=20)
    assert "placeholders" in output
    assert process.returncode == 0
