"""`scripts/unasync.py`: the sync client is what the script generates from the async one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EDITED = ["client.py", "queue.py", "engine.py"]


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "scripts" / "unasync.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that the script reads and writes."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "unasync.py", tmp_path / "scripts")
    for package in ("_async", "_sync"):
        shutil.copytree(ROOT / "decart" / package, tmp_path / "decart" / package)
    return tmp_path


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / "decart" / "_sync").glob("*.py")}


def test_the_generated_files_are_up_to_date() -> None:
    ended = run(ROOT, "--check")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("name", EDITED)
def test_an_edited_generated_file_fails_the_check_and_is_regenerated(copy: Path, name: str) -> None:
    before = contents(copy)
    with (copy / "decart" / "_sync" / name).open("a") as file:
        file.write("# edited\n")
    ended = run(copy, "--check")
    assert (ended.returncode, ended.stdout) == (1, f"Run scripts/unasync.py: {name} would change.\n")
    assert contents(copy)[name].endswith(b"# edited\n")  # --check changes nothing
    assert run(copy).returncode == 0
    assert contents(copy) == before


def test_a_source_that_changed_fails_the_check(copy: Path) -> None:
    source = copy / "decart" / "_async" / "operations.py"
    source.write_text(source.read_text("utf-8") + "\n\nasync def more() -> None:\n    await more()\n", "utf-8")
    assert run(copy, "--check").returncode == 1
    assert run(copy).returncode == 0
    assert b"\n\ndef more() -> None:\n    more()\n" in contents(copy)["operations.py"]


def test_a_missing_generated_file_fails_the_check(copy: Path) -> None:
    (copy / "decart" / "_sync" / "transfers.py").unlink()
    assert run(copy, "--check").returncode == 1


@pytest.mark.parametrize("arguments", [["--check"], []])
def test_a_rule_that_matches_nothing_is_an_error(copy: Path, arguments: list[str]) -> None:
    script = copy / "scripts" / "unasync.py"
    source = script.read_text("utf-8")
    script.write_text(source.replace("RULES = [\n", 'RULES = [\n    (r"\\bmatches nothing\\b", ""),\n'), "utf-8")
    ended = run(copy, *arguments)
    assert ended.returncode == 1
    assert ended.stdout == f"These rules match nothing: {[chr(92) + 'bmatches nothing' + chr(92) + 'b']}\n"


def test_handwritten_files_are_left_alone(copy: Path) -> None:
    by_hand = copy / "decart" / "_sync" / "backend.py"
    by_hand.write_text("# by hand\n")
    assert run(copy).returncode == 0
    assert by_hand.read_text() == "# by hand\n"


def test_a_source_that_is_not_python_is_an_error(copy: Path) -> None:
    (copy / "decart" / "_async" / "broken.py").write_text('"""Broken."""\n\nasync def broken(:\n')
    ended = run(copy)
    assert ended.returncode == 1
    assert ended.stderr
    assert not (copy / "decart" / "_sync" / "broken.py").exists()


def test_generated_code_neither_awaits_nor_mentions_the_async_client() -> None:
    for name, source in contents(ROOT).items():
        if name not in ("__init__.py", "backend.py", "workers.py"):
            assert source.startswith(b"# Generated from decart/_async by scripts/unasync.py. Do not edit.\n")
            assert not [word for word in (b"await ", b"async def", b"async with", b"asyncio") if word in source]
