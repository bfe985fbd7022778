"""The public types: mypy and pyright report the mistakes of ``wrong_types.py``, each on its line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
WRONG = ROOT / "tests" / "wrong_types.py"
MARK = re.compile(r"# E: (?P<mypy>[\w,-]+) \| (?P<pyright>\w+(?:,\w+)*)(?: \| \"(?P<word>.+)\")?$")
PYRIGHT = shutil.which("pyright", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))

pytestmark = pytest.mark.slow


class Report(NamedTuple):
    """What a type checker reports about one line."""

    rules: set[str]
    text: str


def marks() -> dict[int, re.Match[str]]:
    """Return the expected errors by line."""
    lines = enumerate(WRONG.read_text("utf-8").splitlines(), start=1)
    return {number: found for number, line in lines if (found := MARK.search(line))}


def by_line(errors: list[tuple[int, str, str]]) -> dict[int, Report]:
    reports: dict[int, Report] = {}
    for line, rule, text in errors:
        known = reports.get(line, Report(set(), ""))
        reports[line] = Report({*known.rules, rule}, known.text + text)
    return reports


def check(checker: str, reports: dict[int, Report]) -> None:
    assert {line: report.rules for line, report in reports.items()} == {
        line: set(mark[checker].split(",")) for line, mark in marks().items()
    }
    for line, mark in marks().items():
        assert (mark["word"] or "") in reports[line].text, f"line {line}"


def test_every_mark_can_be_read() -> None:
    assert len(marks()) == WRONG.read_text("utf-8").count("  # E: ") > 30


@pytest.mark.skipif(not find_spec("mypy"), reason="mypy is not installed")
def test_mypy_reports_each_mistake_on_its_line() -> None:
    options = ["--strict", "--hide-error-context", "--no-pretty", "--no-error-summary"]
    command = [sys.executable, "-m", "mypy", *options, "tests/wrong_types.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    found = re.findall(r"(?m)^tests.wrong_types\.py:(\d+): error: (.*)  \[([\w-]+)\]$", done.stdout)
    assert done.stdout.count(": error: ") == len(found), done.stdout
    check("mypy", by_line([(int(line), code, text) for line, text, code in found]))


@pytest.mark.skipif(not PYRIGHT, reason="pyright is not installed")
def test_pyright_reports_each_mistake_on_its_line() -> None:
    command = [str(PYRIGHT), "--outputjson", "--pythonpath", sys.executable, str(WRONG)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    check("pyright", by_line([(e["range"]["start"]["line"] + 1, e["rule"], e["message"]) for e in found]))
