"""The command line: each error is one line that says what to do."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import urllib.request
from configparser import ConfigParser
from contextlib import redirect_stdout
from importlib.metadata import EntryPoint

import pytest
from support.documents import ROOT


def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "decart.emulator", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


PORT = "is not a port; use a number up to 65535, or 0 for any free port"
SECONDS = "is not a duration; use a number of seconds, 0 or more"


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("--port", "http", PORT),
        ("--port", "65536", PORT),
        ("--port", "-1", PORT),
        ("--port", "80.5", PORT),
        ("--port", "", PORT),
        ("--pending", "-1", SECONDS),
        ("--pending", "soon", SECONDS),
        ("--pending", "nan", SECONDS),
        ("--processing", "-0.5", SECONDS),
        ("--processing", "inf", SECONDS),
        ("--fps", "0", "is not a frame rate; use a number from 1 to 120"),
        ("--fps", "fast", "is not a frame rate; use a number from 1 to 120"),
        ("--layout", "middle", "(choose from"),
        ("--model", "mine", "is not NAME=TASK: ModelDefinition: task must be one of text-to-video"),
        ("--model", "=motion", "is not NAME=TASK: ModelDefinition: name must be"),
    ],
)
def test_an_invalid_option_is_a_one_line_error_with_advice(option: str, value: str, advice: str) -> None:
    done = ended(f"{option}={value}")
    assert (done.returncode, done.stdout) == (2, "")
    usage, error = done.stderr.splitlines()
    assert usage == "usage: decart emulator [OPTION]..."
    assert error.startswith(f"decart emulator: error: argument {option}: ")
    assert advice in error


def test_a_busy_port_is_a_one_line_error_with_advice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = ended("--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    advice = "choose another with --port, or use --port 0 for any free one."
    assert done.stderr == f"decart: error: Port {port} is in use; {advice}\n"


@pytest.mark.parametrize(
    ("host", "reason"), [("192.0.2.1", "Cannot assign requested address"), ("a..b", "label empty")]
)
def test_a_host_of_another_machine_is_a_one_line_error(host: str, reason: str) -> None:
    done = ended("--host", host, "--port", "0")
    assert done.returncode == 1
    assert done.stderr.startswith(f"decart: error: Cannot listen on {host}:0 (")
    assert reason in done.stderr
    assert done.stderr.endswith("; check --host and --port.\n")
    assert done.stderr.count("\n") == 1


def test_the_installed_command_and_the_module_are_the_same() -> None:
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    name, _, value = settings["options.entry_points"]["console_scripts"].strip().partition(" = ")
    assert name == "decart"
    main = EntryPoint(name, value, "console_scripts").load()
    printed = io.StringIO()
    with pytest.raises(SystemExit) as caught, redirect_stdout(printed):
        main(["emulator", "--help"])
    assert caught.value.code == 0
    assert ended("--help").stdout == printed.getvalue()


def test_json_has_the_address() -> None:
    command = [sys.executable, "-u", "-m", "decart", "emulator", "--port", "0", "--json", "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        with urllib.request.urlopen(f"{url}/healthz", timeout=60) as response:
            assert response.status == 200
        process.terminate()
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0
