"""``decart token`` and ``decart verify``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from support.commands import decart, service_here, start
from workers.running import PATIENCE

from decart.cli.main import main
from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render import render_small

KEY = "dct_0123456789abcdef"


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    emulator = Emulator(pending=0, processing=0, api_keys={KEY}, renderer=render_small)
    with emulator, EmulatorServer(emulator) as server:
        monkeypatch.setenv("DECART_BASE_URL", server.url)
        monkeypatch.setenv("DECART_API_KEY", KEY)
        yield emulator


def test_the_token_is_on_standard_output_only(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--expires-in", "300", "--model", "lucy-2.5", "--model", "lucy-2.6", "--origin", "https://example.com"]
    assert main(["token", *options]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("ek_") and out.count("\n") == 1
    assert out.strip() not in err
    assert err.startswith("It expires at 2")
    (request,) = emulator.requests
    assert request.route == "tokens"


def test_json_has_the_token_its_end_and_its_restrictions(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "--json", "-q", "--origin", "https://example.com"]) == 0
    out, err = capsys.readouterr()
    created = json.loads(out)
    assert err == ""
    assert created["api_key"].startswith("ek_") and created["token"].startswith("eyJ")
    assert datetime.fromisoformat(created["expires_at"]).tzinfo is not None
    assert created["permissions"] == {"origins": ["https://example.com"]}


def test_a_token_is_not_shown_elsewhere_if_standard_output_is_closed(
    emulator: Emulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["token"]) == 0
    assert "Standard output is closed" in (said := capsys.readouterr().err)
    assert "ek_" not in said


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no disk that is always full")
def test_a_token_is_not_shown_elsewhere_if_the_disk_is_full(emulator: Emulator) -> None:
    with open("/dev/full", "wb") as full, start("token", environment=service_here(), stdout=full) as process:
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert b"Standard output cannot be written to" in err
    assert b"ek_" not in err


def test_a_number_of_seconds_that_is_none_or_out_of_bounds_is_refused(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["token", "--expires-in", "soon"])
    assert "invalid int value: 'soon'" in capsys.readouterr().err
    assert main(["token", "--expires-in", "3601"]) == 2
    assert list(emulator.requests) == []


def test_a_refused_key_is_exit_code_4_and_not_printed(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DECART_API_KEY", "dct_another_key_than_that")
    assert main(["token"]) == 4
    assert "dct_another" not in "".join(capsys.readouterr())


def test_a_file_of_an_emulator_is_detected_and_another_is_not(
    emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, other = tmp_path / "lake.mp4", tmp_path / "other.mp4"
    assert main(["run", "-m", "lucy-pro-t2v", "-p", "A lake", "-o", str(video)]) == 0
    other.write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    capsys.readouterr()
    assert main(["verify", str(video)]) == 0
    assert capsys.readouterr().out.startswith("detected (confidence: ")
    assert main(["verify", str(other), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["detected"], found["data"]["detected"]) == (False, False)


def test_verify_reads_standard_input(emulator: Emulator) -> None:
    ended = decart("verify", "-", input=b"\0\0\0\x18ftypisom" + bytes(100), **service_here())
    assert (ended.returncode, ended.stdout.startswith(b"not detected")) == (0, True)


def test_a_file_that_does_not_exist_is_exit_code_2(emulator: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "nowhere.mp4"]) == 2
    assert "nowhere.mp4" in capsys.readouterr().err
