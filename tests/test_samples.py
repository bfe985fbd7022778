"""The tests that the pages show pass as they stand, and the programs about the box run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.documents import ROOT, programs, run

from decart.emulator.faults.kinds import KINDS
from decart.emulator.routes import ROUTES

pytest_plugins = "pytester"

BOX, FIXTURES = "docs/develop-and-test.md", "docs/test-fixtures.md"
SAMPLES = [
    pytest.param(block, id=f"{page}, {number}")
    for page in ("README.md", FIXTURES)
    for number, block in enumerate(programs(page), 1)
    if "def test_" in block
]
DJANGO = """
from django.conf import settings
settings.configure(ALLOWED_HOSTS=["testserver"])
"""


def test_every_sample_is_found() -> None:
    assert [programs(FIXTURES).count(sample.values[0]) for sample in SAMPLES] == [0] * 3 + [1] * len(programs(FIXTURES))


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_passes_as_it_stands(sample: str, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nfilterwarnings = error")
    pytester.makeconftest(DJANGO)
    pytester.makepyfile(sample)
    outcome = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    outcome.assert_outcomes(passed=sample.count("def test_"))


@pytest.mark.parametrize("program", programs(BOX))
def test_a_program_about_the_box_runs(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(program, {}, BOX)


def test_the_page_has_every_fault_and_every_route() -> None:
    page = (ROOT / BOX).read_text("utf-8")
    faults = page[page.index("## Faults") : page.index("## The request log")]
    assert {name for name in KINDS if not re.search(rf"`{name}\b", faults)} == set()
    told = page.replace("{id}", "<id>").replace("{model}", "<model>").replace("{image model}", "<model>")
    paths = {re.sub(r"<(\w+:)?(\w+_)?(\w+)>", r"<\3>", route.path) for route in ROUTES}
    assert {path for path in paths if path not in told} == set()
