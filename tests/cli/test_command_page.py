"""`docs/command-line.md` has every command and option, and the commands in the documentation can be parsed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.documents import ROOT

from decart.cli.parser import build_parser

PAGE = (ROOT / "docs" / "command-line.md").read_text("utf-8")
EXAMPLES = sorted(
    {
        line.partition("decart ")[2]
        for page in (PAGE, *((ROOT / name).read_text("utf-8") for name in ("README.md", "docs/task-queues.md")))
        for block in re.findall(r"^```(?:sh)?\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        for line in block.replace(".venv/bin/", "").splitlines()
        if re.search(r"^decart |  decart |&& decart ", line)
    }
)


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(root / "scripts" / "cli_page.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_page_is_up_to_date() -> None:
    ended = run(ROOT, "--check")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_page_has_every_option_that_help_has(capsys: pytest.CaptureFixture[str]) -> None:
    for name in re.findall(r"^\| \[`decart (.*)`\]", PAGE, re.MULTILINE):
        with pytest.raises(SystemExit):
            build_parser().parse_args([*name.split(), "--help"])
        section = PAGE.partition(f"\n### decart {name}\n")[2].partition("\n### ")[0]
        usage = capsys.readouterr().out.partition("exit codes:")[0]
        options = set(re.findall(r"^  (?:-\w(?: \S+)?, )?(--[\w-]+)", usage, re.MULTILINE)) - {"--help"}
        assert len(options) >= 3 or f"decart {name} COMMAND ..." in section
        assert [option for option in options if not re.search(rf"{option}\b", section)] == []


def test_a_page_that_is_not_up_to_date_fails_the_check_and_is_filled_in(tmp_path: Path) -> None:
    for name in ("decart", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "scripts").unlink()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "scripts" / "cli_page.py", tmp_path / "scripts")
    page = tmp_path / "docs" / "command-line.md"
    page.write_text("# Before\n\n<!-- commands: begin -->\n<!-- commands: end -->\n\n# After\n", "utf-8")
    ended = run(tmp_path, "--check")
    assert (ended.returncode, ended.stdout) == (1, "Run scripts/cli_page.py: docs/command-line.md would change.\n")
    assert run(tmp_path).returncode == run(tmp_path, "--check").returncode == 0
    filled = page.read_text("utf-8")
    assert filled.startswith("# Before\n\n<!-- commands: begin -->\n\n| command |")
    assert filled.endswith("\n\n<!-- commands: end -->\n\n# After\n")


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_is_a_valid_command_line(example: str) -> None:
    words = shlex.split(example.replace("\\%", "%").partition(" > ")[0], comments=True)
    assert build_parser().parse_args(words).run
