"""Exchanges that are interrupted at random times: by signals, cancelled tasks, time limits and killed greenlets.

Each case is a separate program (`support.interrupts`, `support.limits`) that uses a server in another process, whose
responses name the request. The timing of the interrupts is random, so a failure may not be reproducible at once.
``INTERRUPTS`` scales how many there are.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from typing import Any

import attrs
import pytest
from support.calls import HANG, STREAMS
from support.echo import echoing
from support.faces import ASYNC, SYNC
from workers.running import small_environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.heavy,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts file descriptors in /proc"),
]

PATIENCE = 120.0  # seconds that a program may take; never reached when all is well


@attrs.frozen
class Case:
    """A program, its mode, its transport, and the number of interrupts."""

    module: str
    how: str
    transport: str
    interrupts: int

    def __str__(self) -> str:
        return f"{self.how}-{self.transport}"


@attrs.frozen
class Outcome:
    """How a program ended.

    Attributes:
        code: Its exit status.
        printed: What it wrote to stderr.
        report: What became of its calls, if it came to an end.
    """

    code: int
    printed: str
    report: dict[str, Any] = attrs.field(factory=dict)


INTERRUPTS = int(os.environ.get("INTERRUPTS", "25"))
SIGNALS = [Case("interrupts", "signals", name, 30 * INTERRUPTS) for name in SYNC]
CANCELLATIONS = [Case("interrupts", "cancellations", name, 30 * INTERRUPTS) for name in ASYNC]
SOFT_LIMITS = [Case("limits", "soft_limits", name, 12 * INTERRUPTS) for name in SYNC]
GREENLETS = [Case("limits", how, name, 8 * INTERRUPTS) for how in ("timeouts", "kills") for name in SYNC]


@functools.cache  # each of them is run once, for all the rules
def outcome(case: Case) -> Outcome:
    """Run a program to its end."""
    command = [sys.executable, "-W", "error", "-m", f"support.{case.module}", case.how, case.transport]
    with echoing() as url:
        done = subprocess.run(
            [*command, url, str(case.interrupts)],
            env=small_environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    return Outcome(done.returncode, done.stderr, json.loads(done.stdout) if done.returncode == 0 else {})


def reported(case: Case) -> dict[str, Any]:
    """Run a program, and return the outcomes of its calls."""
    ended = outcome(case)
    assert ended.code == 0, ended.printed
    return ended.report


def every(*cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [case for some in cases for case in some], ids=str)


of_every_kind = every(SIGNALS, CANCELLATIONS, SOFT_LIMITS, GREENLETS)


@of_every_kind
def test_no_call_hangs_after_an_interrupt(case: Case) -> None:
    ended = outcome(case)
    assert (ended.code, ended.printed) == (0, "")
    assert ended.report["slowest"] < HANG / 2


@of_every_kind
def test_the_interrupts_land_inside_the_calls(case: Case) -> None:
    report = reported(case)
    assert report["hits"] >= case.interrupts
    assert report["hits"] > report["calls"] / 2


@every(SIGNALS, CANCELLATIONS, SOFT_LIMITS)
def test_an_interrupt_is_raised_by_the_call_unless_it_hits_a_finalizer(case: Case) -> None:
    report = reported(case)
    assert report["hits"] >= 0.98 * report["fired"]


@of_every_kind
def test_no_call_gets_the_response_to_another(case: Case) -> None:
    assert reported(case)["crossed"] == 0


@of_every_kind
def test_no_request_goes_out_on_a_connection_with_half_a_request(case: Case) -> None:
    assert reported(case)["garbled"] == 0


@of_every_kind
def test_no_call_fails_because_of_an_earlier_interrupt(case: Case) -> None:
    assert reported(case)["errors"] == []


@of_every_kind
def test_no_finalizer_fails_unless_an_interrupt_lands_in_it(case: Case) -> None:
    complaints = reported(case)["unraisable"]
    others = [each for each in complaints if not each.startswith(("Interrupt(", "SoftTimeLimitExceeded("))]
    # objects of Python's own complain in 3.13 if they were interrupted as they were made
    assert [each for each in others if not re.search(r" in <(http\.client|socket|ssl|_io)\.", each)] == []


@every(SIGNALS, SOFT_LIMITS, GREENLETS)
def test_interrupted_exchanges_leave_no_file_descriptor_behind(case: Case) -> None:
    report = reported(case)
    assert report["afterwards"]["files"] <= report["warm"]["files"]


@every(SIGNALS, SOFT_LIMITS)
def test_a_sync_transport_has_no_threads(case: Case) -> None:
    report = reported(case)
    assert [report[when]["threads"] for when in ("warm", "afterwards", "closed")] == [1, 1, 1]


@every(SIGNALS, CANCELLATIONS)
def test_closing_leaves_no_file_descriptor_and_no_thread_behind(case: Case) -> None:
    report = reported(case)
    assert report["closed"] == report["begun"]


@of_every_kind
def test_a_hundred_streams_can_be_open_afterwards_and_block_no_other_call(case: Case) -> None:
    report = reported(case)
    assert (report["streams"], report["answered_beside_them"]) == (STREAMS, True)


@of_every_kind
def test_exchanges_use_the_same_connection_again_afterwards(case: Case) -> None:
    assert reported(case)["connections_of_five_exchanges"] == 0


@every(SOFT_LIMITS, GREENLETS)
def test_no_later_call_of_a_client_has_to_make_a_connection(case: Case) -> None:
    assert reported(case)["connections_of_later_calls"] == 0
