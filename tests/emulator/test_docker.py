"""The Docker example, as far as it can be tested without Docker: its commands run here."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from support.documents import ROOT

from decart.cli.parser import build_parser

FOLDER = ROOT / "examples" / "docker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text("utf-8")
COMPOSE = (FOLDER / "compose.yaml").read_text("utf-8")


def command_of(instruction: str) -> list[str]:
    """Return the arguments of an instruction in its JSON form."""
    (found,) = re.findall(rf"^(?:.*\\\n)?\s*{instruction} (\[.*\])$", DOCKERFILE, re.MULTILINE)
    return [str(word) for word in json.loads(found)]


def test_the_entry_point_listens_on_every_address_and_on_the_port_that_is_exposed() -> None:
    program, *arguments = command_of("ENTRYPOINT")
    options = build_parser().parse_args(arguments)
    assert (program, arguments[0], options.host) == ("decart", "emulator", "0.0.0.0")
    assert f"EXPOSE {options.port}\n" in DOCKERFILE
    assert f'"127.0.0.1:{options.port}:{options.port}"' in COMPOSE


def test_the_arguments_of_the_compose_file_are_valid() -> None:
    (found,) = re.findall(r"command: (\[.*\])", COMPOSE)
    options = build_parser().parse_args([*command_of("ENTRYPOINT")[1:], *json.loads(found)])
    assert (options.pending, options.processing) == (1.0, 3.0)


def test_every_copied_and_built_path_exists() -> None:
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()]
    assert "setup.cfg" in copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    (context,) = re.findall(r"context: (\S+)", COMPOSE)
    (dockerfile,) = re.findall(r"dockerfile: (\S+)", COMPOSE)
    assert (FOLDER / context / dockerfile).samefile(FOLDER / "Dockerfile")


def test_the_health_check_passes_while_the_emulator_runs_and_fails_afterwards() -> None:
    (_, *check), (_, *arguments) = command_of("CMD"), command_of("ENTRYPOINT")
    command = [sys.executable, "-u", "-m", "decart", *arguments, "--port", "0"]  # the last one counts
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip().rpartition(":")[2]
        check = [sys.executable, *(word.replace("8787", port) for word in check)]
        healthy = subprocess.run(check, check=False, timeout=60).returncode
        server.terminate()
        server.communicate(timeout=60)
    assert (healthy, server.returncode) == (0, 0)
    assert subprocess.run(check, check=False, timeout=60, stderr=subprocess.DEVNULL).returncode != 0
