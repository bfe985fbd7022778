"""The pytest fixtures, in the tests of a program that uses this library."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = "pytester"

SETTINGS = """
[pytest]
filterwarnings = error
"""


def passed(pytester: pytest.Pytester, program: str) -> None:
    """Check that each test of a program passes, in a separate pytest."""
    pytester.makeini(SETTINGS)
    pytester.makepyfile(program)
    outcome = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    outcome.assert_outcomes(passed=program.count("def test_"))


def test_a_job_is_made_on_a_clock_that_only_its_wait_moves(pytester: pytest.Pytester) -> None:
    passed(
        pytester,
        """
        from decart import models

        def test_it(decart_client, decart_emulator):
            result = decart_client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})
            assert result.data[4:8] == b"ftyp"
            assert len(decart_emulator.requests.submits) == 1
            assert decart_emulator.clock.now() == sum(decart_emulator.clock.sleeps) >= 4
        """,
    )


def test_the_async_client_needs_no_plugin_for_its_loop(pytester: pytest.Pytester) -> None:
    passed(
        pytester,
        """
        import asyncio
        from decart import models

        def test_it(async_decart_client, decart_emulator):
            order = {"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}
            result = asyncio.run(async_decart_client.queue.submit_and_poll(order))
            assert result.data[4:8] == b"ftyp"
            assert decart_emulator.requests.count(route="submit") == 1
        """,
    )


def test_a_program_that_makes_its_own_client_reaches_the_emulator_by_its_address(pytester: pytest.Pytester) -> None:
    passed(
        pytester,
        """
        from decart import DecartClient, PollPolicy, models

        def test_it(decart_server, decart_emulator):
            with DecartClient("dct_mine", base_url=decart_server.url, poll=PollPolicy(interval=0.01)) as client:
                result = client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})
            assert result.status == "completed"
            assert [request.route for request in decart_emulator.requests][0] == "submit"
        """,
    )


def test_each_test_has_its_own_emulator(pytester: pytest.Pytester) -> None:
    passed(
        pytester,
        """
        import pytest
        from decart import SubmitOutcomeUnknownError, models

        def test_one(decart_client, decart_emulator):
            decart_emulator.faults.add("drop-after")
            with pytest.raises(SubmitOutcomeUnknownError):
                decart_client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})

        def test_two(decart_emulator):
            assert (list(decart_emulator.requests), decart_emulator.clock.now()) == ([], 0)
        """,
    )


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


def test_the_emulator_is_created_with_the_settings_of_the_program(pytester: pytest.Pytester) -> None:
    passed(
        pytester,
        """
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
    )
