"""The tests in the documentation pass unchanged, and the programs about the emulator run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.documents import ROOT, programs, run

from decart.emulator.faults.kinds import KINDS
from decart.emulator.routes import ROUTES

BOX, FIXTURES = "docs/develop-and-test.md", "docs/test-fixtures.md"
SAMPLES = {
    f"{page}, {number}": block
    for page in ("README.md", FIXTURES)
    for number, block in enumerate(programs(page), 1)
    if "def test_" in block
}
DJANGO = """
from django.conf import settings
settings.configure(ALLOWED_HOSTS=["testserver"])
"""


def test_every_sample_is_found() -> None:
    assert [name for name in SAMPLES if name.startswith("README")] == list(SAMPLES)[:3]
    assert [block for name, block in SAMPLES.items() if name.startswith(FIXTURES)] == programs(FIXTURES)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Run all samples, each in its own file; return the test outcomes of each."""
    folder = tmp_path_factory.mktemp("samples")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error", "utf-8")
    (folder / "conftest.py").write_text(DJANGO, "utf-8")
    for number, sample in enumerate(SAMPLES.values()):
        (folder / f"test_sample_{number}.py").write_text(sample, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"]
    printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False).stdout
    found = re.findall(r"^(PASSED|FAILED|ERROR) test_sample_(\d+)\.py::", printed, re.MULTILINE)
    return {name: [outcome for outcome, of in found if of == str(number)] for number, name in enumerate(SAMPLES)}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_passes_unchanged(name: str, outcomes: dict[str, list[str]]) -> None:
    assert outcomes[name] == ["PASSED"] * SAMPLES[name].count("def test_")


@pytest.mark.parametrize("program", programs(BOX))
def test_a_program_about_the_emulator_runs(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(program, {}, BOX)


def test_the_page_has_every_fault_and_every_route() -> None:
    page = (ROOT / BOX).read_text("utf-8")
    faults = page[page.index("## Faults") : page.index("## The request log")]
    assert {name for name in KINDS if not re.search(rf"`{name}\b", faults)} == set()
    reported = page.replace("{id}", "<id>").replace("{model}", "<model>").replace("{image model}", "<model>")
    paths = {re.sub(r"<(\w+:)?(\w+_)?(\w+)>", r"<\3>", route.path) for route in ROUTES}
    assert {path for path in paths if path not in reported} == set()
