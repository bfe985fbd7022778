"""The code in the documentation runs as it stands.

For README.md and each page in docs/: a reader who pastes its Python blocks, from the first one on and in order, into
one session has no error and no warning. Three kinds of blocks are not for a session. One whose first line is a comment
with a file name is that file, and runs by itself; one with tests is a test module, and its tests pass, beside the files
of its page; one that is part of the example of a task queue is run with it, in tests/queues. Blocks that are marked
``py`` and not ``python`` show the service's own SDK, which cannot be installed here; they are only compiled.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.documents import ROOT, programs
from support.forked import starter
from support.studio import Studio

from decart.emulator import Emulator, EmulatorServer
from decart.emulator.faults import KINDS
from decart.emulator.routes import ROUTES
from decart.journal.conformance import JournalRules

PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))]
RULES = "(JournalRules):"  # a class with these tests
DJANGO = "docs/in-django.md"  # tests/django_app/test_django_page.py runs it, in its site
BLOCKS = {page: programs(page) for page in PAGES}
TESTS = {
    f"{page}, {number}": block
    for page, blocks in BLOCKS.items()
    for number, block in enumerate(blocks, 1)
    if ("def test_" in block or RULES in block) and page != DJANGO
}
FILES = {
    f"{page}, {name[1]}": block
    for page, blocks in BLOCKS.items()
    for block in blocks
    if page != DJANGO and block not in TESTS.values() and (name := re.match(r"# ([\w.]+\.py)\n", block))
}
RECIPES = [path.read_text("utf-8") for path in (ROOT / "examples").glob("queue_*.py")]  # tests/queues runs them
SHOWN = [block for blocks in BLOCKS.values() for block in blocks if any(block in recipe for recipe in RECIPES)]
RUN_ELSEWHERE = [*TESTS.values(), *FILES.values(), *SHOWN]
SESSIONS = {
    page: session
    for page, blocks in BLOCKS.items()
    if page != DJANGO and (session := [block for block in blocks if block not in RUN_ELSEWHERE])
}

# what a page says that its reader has to have
DJANGO_SETTINGS = """
from django.conf import settings
settings.configure(ALLOWED_HOSTS=["testserver"])
"""
CELERY_SETTINGS = """
import sys
from types import ModuleType
sys.modules["celeryconfig"] = settings = ModuleType("celeryconfig")
settings.task_always_eager = settings.task_eager_propagates = True
"""
SETUPS = {
    "docs/celery.md": CELERY_SETTINGS + DJANGO_SETTINGS,
    "docs/tokens-and-files.md": DJANGO_SETTINGS,
}

PRINTED = {
    "docs/celery.md": "order-1234 delivered ",
    "docs/models.md": "March 2026\n()\n",
    "docs/your-own-scheduler.md": "completed\n",
}


def test_every_kind_of_block_is_found() -> None:
    assert [name for name in TESTS if name.startswith("README")] != []
    assert [block for name, block in TESTS.items() if "test-fixtures" in name] == programs("docs/test-fixtures.md")
    assert "docs/threads-and-forks.md, app.py" in FILES
    without = {"command-line", "first-web-app", "how-it-is-built", "in-django", "in-docker", "in-fastapi", "glossary"}
    without |= {"in-scripts", "index", "speed", "test-fixtures", "threads-and-forks", "troubleshooting"}
    without |= {"changelog", "contributing", "releasing", "security"}  # pages of the site that only include another
    assert set(SESSIONS) == set(PAGES) - {f"docs/{name}.md" for name in without}


# ---------------------------------------------------------------- in one session


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a reader whose folder has a picture and two videos, and who has a service."""
    for name in ("image.jpg", "input.mp4", "lake.mp4"):
        (tmp_path / name).write_bytes(b"picture or video")
    emulator = Emulator(pending=0, processing=0, renderer=Studio(), api_keys={"your-api-key"})
    with emulator, EmulatorServer(emulator) as server:
        yield {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DECART_API_KEY": "your-api-key",
            "DECART_BASE_URL": server.url,
            "SECRET_KEY": "for this test",
        }


def run(reader: dict[str, str], folder: Path, program: Path, given: str = "") -> CompletedProcess[str]:
    """Run a program as the reader."""
    command = [sys.executable, "-W", "error", str(program)]
    return subprocess.run(
        command, input=given, cwd=folder, env=reader, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def run_warm() -> Iterator[Callable[..., CompletedProcess[str]]]:
    """Run a program like ``run``; where possible, in a fork of a process that has imported decart."""
    if not hasattr(os, "fork"):
        yield run
        return
    with starter() as warm:

        def forked(reader: dict[str, str], folder: Path, program: Path, given: str) -> CompletedProcess[str]:
            variables = {name: value for name, value in reader.items() if os.environ.get(name) != value}
            return warm.run(program, folder=folder, input=given, **variables)

        yield forked


@pytest.mark.slow
@pytest.mark.parametrize("page", SESSIONS)
def test_the_blocks_of_a_page_run_in_order_in_one_session(
    page: str, reader: dict[str, str], tmp_path: Path, run_warm: Callable[..., CompletedProcess[str]]
) -> None:
    blocks = [block.replace("time.sleep(2)", "time.sleep(0)") for block in SESSIONS[page]]
    blocks = [block.replace('"the-job-id"', "job.job_id") for block in blocks]  # of a job of the session
    session = json.dumps([SETUPS.get(page, ""), *blocks])
    ended = run_warm(reader, tmp_path, ROOT / "tests" / "support" / "session.py", session)
    assert ended.returncode == 0, ended.stderr
    assert PRINTED.get(page, "") in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_block_with_a_file_name_runs_by_itself(name: str, reader: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / name.partition(", ")[2]
    program.write_text(FILES[name], "utf-8")
    ended = run(reader, tmp_path, program)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_for_the_other_sdk_are_python_and_on_one_page_only(page: str) -> None:
    theirs = re.findall(r"^```py\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for block in theirs:
        compile(block, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert bool(theirs) == (page == "docs/coming-from-the-services-sdk.md")


# ---------------------------------------------------------------- tests


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Run all blocks with tests, each in its own file, in a folder for each page; return the outcomes of each."""
    folder = tmp_path_factory.mktemp("samples")
    settings = "filterwarnings = error\nasyncio_default_fixture_loop_scope = function"
    (folder / "pytest.ini").write_text(f"[pytest]\n{settings}", "utf-8")
    (folder / "conftest.py").write_text(DJANGO_SETTINGS, "utf-8")
    for number, name in enumerate(TESTS):
        home = folder / Path(name.partition(", ")[0]).stem
        home.mkdir(exist_ok=True)
        (home / f"test_sample_{number}.py").write_text(TESTS[name], "utf-8")
    for name, program in FILES.items():
        page, _, file = name.partition(", ")
        if (home := folder / Path(page).stem).exists():
            (home / file).write_text(program, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"]
    printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False).stdout
    found = re.findall(r"^(PASSED|FAILED|ERROR) \S+/test_sample_(\d+)\.py::", printed, re.MULTILINE)
    return {name: [outcome for outcome, of in found if of == str(number)] for number, name in enumerate(TESTS)}


@pytest.mark.parametrize("name", TESTS)
def test_a_block_with_tests_passes(name: str, outcomes: dict[str, list[str]]) -> None:
    inherited = sum(test.startswith("test_") for test in dir(JournalRules)) if RULES in TESTS[name] else 0
    assert outcomes[name] == ["PASSED"] * (TESTS[name].count("def test_") + inherited)


# ---------------------------------------------------------------- the page about the emulator


def test_the_pages_have_every_fault_and_every_route() -> None:
    page = (ROOT / "docs" / "develop-and-test.md").read_text("utf-8")
    faults = (ROOT / "docs" / "faults.md").read_text("utf-8")
    assert {name for name in KINDS if not re.search(rf"`{name}\b", faults)} == set()
    reported = page.replace("{id}", "<id>").replace("{model}", "<model>").replace("{image model}", "<model>")
    paths = {re.sub(r"<(\w+:)?(\w+_)?(\w+)>", r"<\3>", route.path) for route in ROUTES}
    assert {path for path in paths if path not in reported} == set()
