"""List the calls of our own functions during one ``status()`` and one ``submit_and_poll()``, in order.

Run: python benchmarks/walk.py [--transport requests] [--print]
Needs: pip install '.[emulator]'

Only calls of functions in the package are counted, except those of the emulator; a generator counts each time it is
resumed. The client is warm: it has made the same call before. Fewer calls, modules and changes of module are better,
because somebody who debugs a call has to follow them.
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
    """Return the module and name of each of our functions that is called."""
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
    """Print the number of calls, of modules and of changes of module."""
    modules = [module for module, _ in calls]
    changes = sum(first != second for first, second in pairwise(modules))
    print(f"{name}: {len(calls)} calls in {len(set(modules))} modules, {changes} changes of module")
    if in_full:
        for module, function in calls:
            print(f"    {module}: {function}")


def main() -> None:
    """Print the calls of both methods."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transport", default="requests", choices=["requests", "urllib3"])
    parser.add_argument("--print", action="store_true", help="list the name of every call")
    arguments = parser.parse_args()
    constant = PollPolicy(interval=0.01, backoff=1.0, max_interval=0.01, jitter=0)
    with (
        VirtualEmulator() as emulator,
        EmulatorServer(emulator, seconds_per_check=10.0) as server,
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
