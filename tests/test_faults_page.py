"""`scripts/faults_page.py`: docs/faults.md is what the script makes of the table of faults, and of running them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.documents import ROOT

from decart.emulator.faults import KINDS

PAGE = (ROOT / "docs" / "faults.md").read_text("utf-8")


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(root / "scripts" / "faults_page.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The script, with a page of its own."""
    (tmp_path / "decart").symlink_to(ROOT / "decart")
    for folder, name in (("scripts", "faults_page.py"), ("docs", "faults.md")):
        (tmp_path / folder).mkdir()
        shutil.copy(ROOT / folder / name, tmp_path / folder)
    return tmp_path


def test_the_table_is_up_to_date() -> None:
    ended = run(ROOT, "--check")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_examples_print_what_the_page_says() -> None:
    ended = run(ROOT, "--check", "--examples")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_every_fault_has_a_row_and_a_section_with_the_request_that_adds_it() -> None:
    for name in KINDS:
        assert len(re.findall(rf"^\| \[`{name}\b[^|]*\(#{name}\) \|", PAGE, re.MULTILINE)) == 1
        section = PAGE.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        assert f"""/_emulator/faults -H "$JSON" -d '"{name}""" in section
    assert re.findall(r"^### (.*)$", PAGE, re.MULTILINE) == list(KINDS)


def test_a_page_that_is_not_up_to_date_fails_the_check_and_is_then_filled_in(copy: Path) -> None:
    page = copy / "docs" / "faults.md"
    page.write_text(PAGE.replace("with truncated JSON", "with JSON"), "utf-8")
    ended = run(copy, "--check")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout == "Run scripts/faults_page.py --examples: docs/faults.md would change.\n"
    assert run(copy).returncode == run(copy, "--check").returncode == 0
    assert "| carries out the request, and responds with truncated JSON |" in page.read_text("utf-8")


def test_a_page_without_the_comments_is_an_error(copy: Path) -> None:
    (copy / "docs" / "faults.md").write_text("# Faults\n", "utf-8")
    message = "docs/faults.md needs <!-- table: begin --> and <!-- table: end -->, once each.\n"
    assert run(copy, "--check").stderr == message
