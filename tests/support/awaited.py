"""Async clients over a scripted transport, and programs that run in a separate process."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

from decart import (
    AsyncDecartClient,
    PollPolicy,
)
from support.fakes import KEY, FakeTransport

POLL = PollPolicy(jitter=0)


def async_client_of(transport: FakeTransport, **settings: Any) -> AsyncDecartClient:
    return AsyncDecartClient(KEY, transport=transport, **{"poll": POLL, **settings})


def run(program: str, *options: str) -> tuple[str, str]:
    ended = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120
    )
    return ended.stdout, ended.stderr
