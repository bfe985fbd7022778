"""The calls of our own functions that one ``status()`` and one ``submit_and_poll()`` make, in order.

Run: python benchmarks/walk.py [--transport requests] [--print]
Needs: pip install '.[emulator]'

Counted are calls of functions whose source is in the package, except the emulator; a generator counts each time that
it is resumed. The client is warm: it has made the same call before. What to look at: few calls, few modules, and few
changes from one module to another, because that is what somebody who debugs a call has to follow.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import decart
from decart import DecartClient, PollPolicy, models
from decart.emulator import EmulatorServer, VirtualEmulator

ROOT = Path(decart.__file__).parent
JOB: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake at sunset"}


def walk(call: Callable[[], object]) -> list[tuple[str, str]]:
    """Return the calls of our functions: their modules and names."""
    calls: list[tuple[str, str]] = []

    def profile(frame: FrameType, event: str, argument: object) -> None:
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(str(ROOT)) and "/emulator/" not in path:
            module = ".".join(Path(path).relative_to(ROOT).with_suffix("").parts)
            calls.append((module, frame.f_code.co_qualname))

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return calls


def show(name: str, calls: list[tuple[str, str]], *, in_full: bool) -> None:
    """Print the number of calls, of modules, and of changes from one module to another."""
    modules = [module for module, _ in calls]
    changes = sum(first != second for first, second in pairwise(modules))
    print(f"{name}: {len(calls)} calls in {len(set(modules))} modules, {changes} changes of module")
    if in_full:
        for module, function in calls:
            print(f"    {module}: {function}")


def main() -> None:
    """Print the walks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transport", default="requests", choices=["requests", "urllib3"])
    parser.add_argument("--print", action="store_true", help="every call by its name")
    arguments = parser.parse_args()
    constant = PollPolicy(interval=0.01, backoff=1.0, max_interval=0.01, jitter=0)
    with (
        VirtualEmulator() as emulator,
        EmulatorServer(emulator, look=10.0) as server,
        DecartClient("dct_your-api-key", base_url=server.url, transport=arguments.transport, poll=constant) as client,
    ):
        job = client.queue.submit_and_poll(JOB)
        client.queue.status(job)
        show("status", walk(lambda: client.queue.status(job)), in_full=arguments.print)
        both = walk(lambda: client.queue.submit_and_poll(JOB))
        checks = sum(function == "JobWait.check" for _, function in both) - 1  # the first is the submit's response
        show(f"submit_and_poll with {checks} status checks", both, in_full=arguments.print)


if __name__ == "__main__":
    main()
