"""``decart completion``: the script of a shell completes commands, options, models and files in that shell."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from decart import models
from decart.cli.completion import SHELLS
from decart.cli.main import main

COMPLETE = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_shtab_decart decart "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2> /dev/null  # compopt is for terminals
printf '%s\\n' "${COMPREPLY[@]}"
"""
NAMES = set(models.names())
IMAGES = {name for name in NAMES if (model := models.known(name)) and models.makes(model) == "image"}


@pytest.fixture
def script(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Path:
    """The script of a shell."""
    assert main(["completion", request.param]) == 0
    path = tmp_path / request.param
    path.write_text(capsys.readouterr().out)
    return path


def completed(script: Path, *words: str) -> list[str]:
    command = ["bash", "--norc", "-c", COMPLETE, "bash", str(script), "decart", *words]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_in_bash_commands_options_models_choices_and_files_are_completed(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)], check=False, timeout=60).returncode == 0
    registered = subprocess.run(
        ["bash", "--norc", "-c", 'source "$1"; complete -p decart', "bash", str(script)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert registered.stdout.strip().endswith("-F _shtab_decart decart")
    (script.parent / "lake.mp4").touch()
    assert completed(script, "ver") == ["verify"]
    assert completed(script, "run", "--enh") == ["--enhance-prompt"]
    assert set(completed(script, "run", "-m", "")) == NAMES - IMAGES
    assert set(completed(script, "image", "--model", "")) == IMAGES
    assert set(completed(script, "models", "")) == NAMES
    assert completed(script, "run", "--resolution", "") == ["720p", "480p"]
    assert completed(script, "run", "-i", "la") == ["lake.mp4"]
    assert completed(script, "completion", "") == [*SHELLS]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_in_zsh_the_script_is_valid(script: Path) -> None:
    assert subprocess.run(["zsh", "-n", str(script)], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_of_each_shell_has_the_models(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["shell"] == shell
    assert [name for name in models.names() if name not in document["script"]] == []


def test_without_shtab_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)  # as if it was not installed
    assert main(["completion", "bash"]) == 1
    assert "pip install 'decart-queue[cli]'" in capsys.readouterr().err
