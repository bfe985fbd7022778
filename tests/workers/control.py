"""Helpers of the programs that fork: threads, and control requests to the service."""

from __future__ import annotations

import json
import os
import signal
import threading
import traceback
import urllib.request
from collections.abc import Callable
from typing import Any

SECONDS = 10  # that a child may take without a word; never reached when all is well


def ask(what: str) -> Any:
    """Send a control request to the service; see `workers.service`."""
    with urllib.request.urlopen(f"{os.environ['DECART_BASE_URL']}/{what}") as answer:
        return json.load(answer)


def waiting(calls: int) -> None:
    """Wait until this number of calls wait to be released."""
    while ask("waiting") != calls:
        pass


def in_threads(*work: Callable[[], object]) -> list[threading.Thread]:
    """Begin to do all of it at the same time."""
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    return threads


def fork(work: Callable[[], object], seconds: int = SECONDS) -> int:
    """Do something in a child; return its process."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        signal.alarm(seconds)  # a child that hangs is ended
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(process: int) -> str:
    """Wait for the end of a child, and say how it was."""
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return {0: "well", -signal.SIGALRM: "hung"}.get(code, f"with {code}")
