"""Any interleaving of downloads into one target, with a failure or a SIGKILL at any step, leaves complete files only.

Each download is a process that takes one step at a time, on command (`support.killed`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workers.running import small_environment

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@pytest.fixture(scope="module")
def perform() -> Iterator[Callable[..., Any]]:
    """A function that performs a function of `support.killed`, and returns its result, or a traceback."""
    command = [sys.executable, "-W", "error", "-m", "support.killed"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=small_environment(), **pipes) as program:
        assert program.stdin is not None and program.stdout is not None

        def perform(*call: Any) -> Any:
            print(json.dumps(call), file=program.stdin, flush=True)
            return json.loads(program.stdout.readline())

        yield perform
        program.stdin.close()
    assert program.returncode == 0


PLANS = st.tuples(  # the job, the version, how it fails, and where
    st.integers(0, 1),
    st.integers(0, 1),
    st.sampled_from([None, None, "cut", "fsync", "rename", "kill"]),
    st.integers(0, 25),
)


@given(plans=st.lists(PLANS, min_size=1, max_size=4), order=st.lists(st.integers(0, 3), max_size=40))
@settings(max_examples=150)
def test_any_interleaving_with_any_failures_leaves_complete_files_only(
    perform: Callable[..., Any], plans: list[Any], order: list[int]
) -> None:
    flaw = perform("any_interleaving", plans, order)
    assert flaw is None, flaw


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another"])
@pytest.mark.parametrize("job", [0, 1], ids=["the same job next", "another job next"])
def test_a_download_killed_at_any_system_call_is_cleaned_up_by_the_next(
    perform: Callable[..., Any], beside: bool, job: int
) -> None:
    moments = perform("killed_downloads", beside, job)
    assert isinstance(moments, int), moments
    assert moments > 8


def test_a_save_killed_at_any_system_call_is_cleaned_up_by_the_next(perform: Callable[..., Any]) -> None:
    moments = perform("killed_saves")
    assert isinstance(moments, int), moments
    assert moments > 8
