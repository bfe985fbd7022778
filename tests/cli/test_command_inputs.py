"""The inputs of a job on the command line, and what a command imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any, get_args

import pytest
from workers.running import small_environment

from decart.cli.main import main
from decart.emulator import Emulator, EmulatorServer
from decart.options import ImageOptions, JobOptions

DRY = ("--dry-run", "--json")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.mp4").write_bytes(b"12345")
    Path("a.png").write_bytes(b"1234")


def fields_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the form fields that a command would send."""
    assert main([*arguments, *DRY]) == 0
    fields: dict[str, Any] = json.loads(capsys.readouterr().out)["fields"]
    return fields


@pytest.mark.parametrize(("command", "kind"), [("run", JobOptions), ("image", ImageOptions)])
def test_every_option_of_every_task_is_an_option_of_the_command(
    command: str, kind: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    text = capsys.readouterr().out
    names = {name for task in get_args(kind) for name in task.__annotations__} - {"on_status_change"}
    flags = {"data": "--input"}
    assert {name for name in names if f" {flags.get(name, '--' + name.replace('_', '-'))}" not in text} == set()


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (
            ["run", "-m", "lucy-2.5", "-p", "Winter", "-i", "a.mp4", "--seed", "7", "--resolution", "720p"]
            + ["--no-enhance-prompt", "--self-anchor", "-o", "x"],
            {"prompt": "Winter", "seed": "7", "resolution": "720p", "enhance_prompt": "false", "self_anchor": "true"},
        ),
        (
            ["submit", "-m", "lucy-pro-t2v", "-p", "A lake", "--orientation", "portrait"],
            {"prompt": "A lake", "orientation": "portrait"},
        ),
        (["submit", "-m", "lucy-pro-flf2v", "-p", "A", "--start", "a.png", "--end", "a.png"], {"prompt": "A"}),
        (["submit", "-m", "lucy-9", "--task", "text-to-video", "-p", "A"], {"prompt": "A"}),
        (
            ["submit", "-m", "lucy-motion", "-i", "a.png", "--trajectory"]
            + ['[{"frame": 0, "x": 0, "y": 0}, {"frame": 9, "x": 1, "y": 1}]'],
            {},
        ),
        (
            ["image", "-m", "lucy-image-2", "-p", "A", "-i", "a.png", "--reference-image", "a.png", "-o", "x"],
            {"prompt": "A"},
        ),
    ],
)
def test_options_become_fields(
    arguments: list[str], fields: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    sent = fields_of(arguments, capsys)
    assert {name: sent[name] for name in fields} == fields
    files = {name for name in ("data", "start", "end", "reference_image") if isinstance(sent.get(name), dict)}
    assert len(files) == sum(argument in ("a.mp4", "a.png") for argument in arguments)


@pytest.mark.parametrize(
    ("given", "prompt"),
    [("@prompt.txt", "A lake"), ("@@mention", "@mention"), ("A lake", "A lake"), (" - ", " - "), ("-", "From a pipe")],
)
def test_a_prompt_is_itself_or_that_of_a_file_or_of_standard_input(
    given: str, prompt: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("prompt.txt").write_bytes(b"\xef\xbb\xbfA lake\r\n")
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"From a pipe\n"), encoding="ascii"))
    assert fields_of(["submit", "-m", "lucy-pro-t2v", "-p", given], capsys)["prompt"] == prompt


def test_a_person_at_a_terminal_is_told_that_the_command_reads_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Keyboard(TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Keyboard(BytesIO(b"A lake\n")))
    assert main(["submit", "-m", "lucy-2.5", "-p", "-", "-i", "a.mp4", "--dry-run"]) == 0
    assert capsys.readouterr().err.startswith("Reading from the terminal; end it with Ctrl-D.\n")


def test_a_file_may_come_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"123")))
    fields = fields_of(["submit", "-m", "lucy-2.5", "-i", "-"], capsys)
    assert fields["data"] == {"file": "stdin", "type": "application/octet-stream", "bytes": 3}


@pytest.mark.parametrize(
    ("given", "stdin", "message"),
    [
        (["-p", "@missing"], b"", "--prompt @missing: it cannot be read: No such file or directory."),
        (["-p", "@."], b"", "--prompt @.: it cannot be read: Is a directory."),
        (["-p", "@a.bin"], b"", "--prompt @a.bin: it is not text in UTF-8."),
        (["-p", "-"], b"\xff\xfe", "--prompt -: it is not text in UTF-8."),
        (["-p", "-"], b"", "--prompt must not be empty."),
        (["-p", "-"], None, "Standard input is closed, and cannot be read."),
        (["-p", "-", "-i", "-"], b"", "Standard input can be read for one input only; name files for the others."),
    ],
)
def test_a_text_that_cannot_be_read_is_a_usage_error(
    given: list[str],
    stdin: bytes | None,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("a.bin").write_bytes(b"\xff\xfe")
    monkeypatch.setattr("sys.stdin", None if stdin is None else TextIOWrapper(BytesIO(stdin)))
    assert main(["submit", "-m", "lucy-pro-t2v", *given, "--dry-run"]) == 2
    assert capsys.readouterr().err == f"decart: error: {message}\n"


@pytest.mark.parametrize("content", ["dct_x", "dct_x\n", "\ufeffdct_x\r\n"])
def test_a_key_is_read_from_a_file_and_not_from_the_command_line(
    content: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("key").write_bytes(content.encode())
    os.chmod("key", 0o644)  # as people have it
    emulator = Emulator(api_keys=["dct_x"], faults=["status:400,on=status"])
    with closing(emulator), EmulatorServer(emulator, grace=0.1) as server:
        command = ["status", "j1", "--api-key-file", "key", "--base-url", server.url, "--allow-http"]
        assert main(command) == 1
        emulator.faults.clear()
        assert main(command) == 1  # it is a 404, and not a 401
    said = capsys.readouterr().err
    assert "The service found no such job" in said and "dct_x" not in said and "readable" not in said
    assert f"\nResume with: decart wait j1 --base-url {server.url} --api-key-file key --allow-http\n" in said
    with pytest.raises(SystemExit, match="2"):
        main(["status", "j1", "--api-key", "dct_x"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--seed", "x"], "argument --seed: 'x' is not a whole number"),
        (["--timeout", "-1"], "argument --timeout: '-1' is not a number of seconds, 0 or more, or 'none'"),
        (["--timeout", "soon"], "argument --timeout: 'soon' is not a number of seconds, 0 or more, or 'none'"),
        (["--resolution", "4k"], "argument --resolution: invalid choice: '4k'"),
        (["--res", "720p"], "unrecognized arguments: --res 720p"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(
    given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["run", "-m", "lucy-pro-t2v", "-p", "A", "-o", "x", *given, "--timeout", "none"])
    said = capsys.readouterr().err
    assert said.startswith("usage: decart run ")
    assert f"decart run: error: {message}" in said


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_is_as_quick_as_an_import_of_the_package(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom decart.cli.main import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n"
        "    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=small_environment(), capture_output=True, check=True
    )
    loaded = set(done.stderr.decode().split())
    slow = {"requests", "urllib3", "aiohttp", "tenacity", "tqdm", "asyncio", "sqlite3", "av", "numpy", "PIL", "ssl"}
    assert loaded & (slow | {"decart.client", "decart.file_inputs", "decart.emulator.service"}) == set()
