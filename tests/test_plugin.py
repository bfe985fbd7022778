"""The pytest fixtures, in the tests of a program that uses this library."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import pytest

pytest_plugins = "pytester"

PROGRAMS = {
    "a job is made on a clock that only its wait moves": """
import pytest
from decart import models

def test_it(decart_client, decart_emulator):
    result = decart_client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})
    assert result.data[4:8] == b"ftyp"
    assert len(decart_emulator.requests.submits) == 1
    assert decart_emulator.clock.now() == pytest.approx(sum(decart_emulator.clock.sleeps))
    assert decart_emulator.clock.now() >= 4
""",
    "the async client needs no plugin for its loop": """
import asyncio
from decart import models

def test_it(async_decart_client, decart_emulator):
    order = {"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}
    result = asyncio.run(async_decart_client.queue.submit_and_poll(order))
    assert result.data[4:8] == b"ftyp"
    assert decart_emulator.requests.count(route="submit") == 1
""",
    "a program that makes its own client reaches the emulator by its address": """
from decart import DecartClient, PollPolicy, models

def test_it(decart_server, decart_emulator):
    with DecartClient("dct_mine", base_url=decart_server.url, poll=PollPolicy(interval=0.01)) as client:
        result = client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})
    assert result.status == "completed"
    assert [request.route for request in decart_emulator.requests][0] == "submit"
""",
    "each test has its own emulator": """
import pytest
from decart import SubmitOutcomeUnknownError, models

def test_one(decart_client, decart_emulator):
    decart_emulator.faults.add("drop-after")
    with pytest.raises(SubmitOutcomeUnknownError):
        decart_client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})

def test_two(decart_emulator):
    assert (list(decart_emulator.requests), decart_emulator.clock.now()) == ([], 0)
""",
    "the emulator is created with the settings of the program": """
import pytest
from decart import ModelRetiredError, QueueSubmitError, models

@pytest.fixture
def decart_emulator_settings():
    return {"today": True}

def test_it(decart_client):
    with pytest.raises(QueueSubmitError) as caught:
        decart_client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})
    assert isinstance(caught.value.cause, ModelRetiredError)
""",
}
"""Test modules, each under the rule that it shows."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[str]]:
    """Run all programs in a separate pytest, each in a file of its own; return the outcomes of their tests."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = -p no:asyncio", "utf-8")
    files = {rule: f"test_{number}.py" for number, rule in enumerate(PROGRAMS)}
    for rule, file in files.items():
        (folder / file).write_text(PROGRAMS[rule], "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"]
    printed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False).stdout
    found = re.findall(r"^(PASSED|FAILED|ERROR) (\w+\.py)", printed, re.MULTILINE)
    return {rule: Counter(outcome for outcome, where in found if where == file) for rule, file in files.items()}


@pytest.mark.parametrize("rule", PROGRAMS)
def test_the_tests_of_a_program_pass(rule: str, outcomes: dict[str, Counter[str]]) -> None:
    assert outcomes[rule] == {"PASSED": PROGRAMS[rule].count("def test_")}


def test_without_the_extra_a_fixture_says_what_to_install(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys
        sys.modules["werkzeug"] = None  # as if it were not installed

        def test_it(decart_client):
            pass
        """
    )
    outcome = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    outcome.assert_outcomes(errors=1)
    outcome.stdout.fnmatch_lines(["*MissingExtraError*pip install 'decart-queue[[]emulator]'*"])


def test_the_plugin_loads_nothing_before_a_fixture_is_used() -> None:
    heavy = "decart.emulator decart.client attr requests urllib3 aiohttp werkzeug"
    program = (
        f"import sys, decart.integrations.pytest_plugin; print({{*sys.modules}} & {{*{heavy!r}.split()}} - {{'attr'}})"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed == "set()\n"
