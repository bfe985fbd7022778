"""``decart doctor``: what it finds on this machine. `test_doctor_network` has what it finds over the network."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from support.commands import Terminal
from support.documents import ROOT
from support.servers import nobody

from decart.cli import checks
from decart.cli.main import main
from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render import render_small
from decart.journal.sqlite import SQLiteJournal

KEY = "dct_0123456789abcdef"


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with Emulator(api_keys={KEY}, renderer=render_small) as emulator, EmulatorServer(emulator) as server:
        monkeypatch.setenv("DECART_BASE_URL", server.url)
        monkeypatch.setenv("DECART_API_KEY", KEY)
        yield emulator


def found(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """Return the checks by their names."""
    assert main(["doctor", "--json", *arguments]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == code
    return {check["name"]: check for check in document["checks"]}


def test_if_all_is_well_each_check_is_a_line_and_the_exit_code_is_0(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert {line[:9] for line in lines} == {"ok       ", "skipped  "}
    assert [line[9:].partition(":")[0] for line in lines] == [
        "python", "packages", "other package", "extras", "key", "base URL", "proxy", "server", "TLS", "key accepted",
        "clock", "journal", "terminal",
    ]  # fmt: skip
    assert "ok       key: a permanent key from DECART_API_KEY, ***ef, 20 characters" in lines
    assert KEY not in out
    assert len(emulator.requests) == 1
    assert len(emulator.requests.submits) == 0


def test_json_is_one_document_with_the_same_checks(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    checks_found = found(capsys)
    assert len(checks_found) == 13
    for check in checks_found.values():
        assert set(check) == {"name", "state", "text", "advice"}
    assert checks_found["packages"]["text"].count(" ") >= 10


# ---------------------------------------------------------------- the key


def test_a_missing_key_is_exit_code_4_and_the_rest_is_checked_all_the_same(
    emulator: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DECART_API_KEY")
    checks_found = found(capsys, code=4)
    assert checks_found["key"]["state"] == "problem"
    assert "--api-key-file FILE" in checks_found["key"]["text"]
    assert checks_found["server"]["state"] == "ok"
    assert checks_found["key accepted"]["state"] == "skipped"
    (request,) = emulator.requests
    assert request.route == "models"


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("dct_short", "a permanent key from {file}, ***, 9 characters"),
        ("ek_0123456789abcdefgh", "a client token from {file}, ***gh, 21 characters"),
        ("eyJ0123456789abcdefij", "a signed client token from {file}, ***ij, 21 characters"),
        ("0123456789abcdefgh", "a key of an unknown kind from {file}, ***gh, 18 characters"),
    ],
)
def test_the_key_of_a_file_is_masked_but_for_its_end(
    key: str, shown: str, emulator: Emulator, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{key}\n")
    check = found(capsys, "--api-key-file", str(file), code=4)["key"]
    assert check["text"] == shown.format(file=file)
    assert ("is it complete" in check["advice"]) == key.startswith("0")


def test_a_refused_key_is_exit_code_4(
    emulator: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DECART_API_KEY", "dct_not_the_right_key")
    check = found(capsys, code=4)["key accepted"]
    assert check["state"] == "problem"
    assert check["text"].startswith("The API key from the environment variable DECART_API_KEY was refused")


# ---------------------------------------------------------------- the installation


def test_the_extras_are_those_of_the_package() -> None:
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    extras = {
        extra: {line.partition(">=")[0] for line in lines.split()}
        for extra, lines in settings["options.extras_require"].items()
        if extra != "test"
    }
    written = {extra: {name.replace("PyJWT", "PyJWT[crypto]") for name in names} - {"cryptography"}
               for extra, names in checks.EXTRAS.items()}  # fmt: skip
    assert written == extras
    assert {line.partition(">=")[0] for line in settings["options"]["install_requires"].split()} == set(checks.NEEDED)


def test_extras_that_are_not_installed_are_named_with_what_they_lack(
    emulator: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])  # of which the metadata is read; all modules are loaded
    check = found(capsys)["extras"]
    assert check["text"].startswith("installed: none; not installed: async (lacks aiohttp), ")
    assert check["advice"] == "pip install 'decart-queue[NAME]' adds one."


@pytest.mark.parametrize(("module", "code"), [("_user_agent", 1), ("client", 0)], ids=["its own", "an old one of ours"])
def test_the_services_own_sdk_in_another_folder_is_a_problem(
    module: str, code: int, emulator: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    metadata, package = tmp_path / "decart-0.2.4.dist-info", tmp_path / "decart"
    for folder in (metadata, package):
        folder.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: decart\nVersion: 0.2.4\n")
    (metadata / "RECORD").write_text(f"decart/{module}.py,,\n")
    (package / f"{module}.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    check = found(capsys, code=code)["other package"]
    assert check["state"] == ("problem" if code else "ok")
    if code:
        assert f"(decart 0.2.4), which has the same import name, is installed in {tmp_path}" in check["text"]
        assert "pip uninstall decart" in check["advice"]


# ---------------------------------------------------------------- the journal and the terminal


def test_a_journal_is_read_and_one_that_does_not_exist_is_not_created(
    emulator: Emulator, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "jobs.db"
    check = found(capsys, "--journal", str(path))["journal"]
    assert (check["state"], check["text"]) == ("ok", f"{path} does not exist yet; it is created with the first job")
    assert not path.exists()
    journal = SQLiteJournal(path)
    assert journal.select() == []
    journal.close()
    assert found(capsys, "--journal", str(path))["journal"]["text"] == f"{path} can be read, and is empty"
    assert main(["submit", "-m", "lucy-pro-t2v", "-p", "A lake", "--journal", str(path), "-q"]) == 0
    capsys.readouterr()
    assert found(capsys, "--journal", str(path))["journal"]["text"] == f"{path} can be read"


def test_a_journal_that_cannot_be_used_is_a_problem(
    emulator: Emulator, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title)")
    connection.close()
    assert "the database of another program" in found(capsys, "--journal", str(path), code=1)["journal"]["text"]
    check = found(capsys, "--journal", str(tmp_path / "nowhere" / "jobs.db"), code=1)["journal"]
    assert (check["state"], "nowhere a folder that you can" in check["advice"]) == ("problem", True)


def test_in_a_terminal_bars_are_shown() -> None:
    with nobody() as url, Terminal("doctor", "--base-url", url, DECART_API_KEY=KEY) as terminal:
        assert terminal.end() == 1
    assert "ok       terminal: standard error is a terminal of 100 columns; bars are shown" in terminal.text


class Tty:
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None: ...


def test_a_terminal_without_tqdm_has_no_bars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stderr", Tty())
    assert checks.terminal().text.endswith("bars are shown")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert checks.terminal().advice == "pip install 'decart-queue[cli]'"


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan", "soon"])
def test_a_timeout_is_a_number_of_seconds_above_0(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["doctor", f"--timeout={seconds}"])
    assert f"'{seconds}' is not a number of seconds above 0" in capsys.readouterr().err
