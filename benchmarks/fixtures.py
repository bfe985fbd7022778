"""Compare a job in a test with the fixtures' emulator, on the virtual clock, with what requests alone takes.

Run: python benchmarks/fixtures.py [--jobs 200] [--rounds 5] [--quick]
Needs: pip install '.[emulator]'

The unit is the CPU time that the library requests needs for as many exchanges as one job has, with an adapter that
responds at once, without a socket. The emulator is in the same process as the client, so the figures are those of both,
and of the video: it is made once for the same job. In each round every way runs once, in random order; a ratio is the
median of the ratios in a round. A ratio depends little on the machine, milliseconds depend on it and on its load.

The targets: at most 5 units for a job; 6 with an emulator of its own, as each test has; 12 if its video is made first.
On the machine where they were set, a unit is about a millisecond.
"""

from __future__ import annotations

import argparse
import io
import itertools
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import BaseAdapter

from decart import DecartClient, models
from decart.emulator import VirtualEmulator

UNIT = "the unit, requests alone"
MOST = {"the same job": 5.0, "another job": 12.0, "an emulator of its own": 6.0}
JOB: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake at sunset"}


class Ready(BaseAdapter):
    """An adapter that responds at once."""

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, request.url or ""
        response.raw = io.BytesIO(b'{"job_id": "x", "status": "pending"}')
        return response

    def close(self) -> None:
        pass


def run(client: DecartClient, order: Any = JOB) -> None:
    """Run a job from its submit to its video."""
    if client.queue.submit_and_poll(dict(order)).status != "completed":
        raise SystemExit("A job was not completed.")


def with_its_own() -> None:
    """Run a job as a test with the fixtures does."""
    with VirtualEmulator() as emulator, emulator.client() as client:
        run(client)


def cpu(action: Callable[[], object], times: int) -> float:
    """Return the CPU time of an action, in milliseconds."""
    began = time.process_time()
    for _ in range(times):
        action()
    return (time.process_time() - began) * 1000 / times


def main() -> None:
    """Print the medians, and whether the targets were met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200, help="jobs in a row")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="only check that everything works")
    given = parser.parse_args()
    jobs, rounds = (3, 1) if given.quick else (given.jobs, given.rounds)
    numbers = itertools.count()
    took: dict[str, list[float]] = {name: [] for name in (UNIT, *MOST)}
    with VirtualEmulator() as emulator, emulator.client() as client, requests.Session() as session:
        session.mount("http://", Ready())
        run(client)
        emulator.requests.clear()
        cpu(lambda: run(client), jobs)
        exchanges = len(emulator.requests) / jobs

        def unit() -> None:
            session.get("http://emulator/v1/jobs/x", headers={"X-API-KEY": "dct_test"}, timeout=10).json()

        ways: dict[str, Callable[[], float]] = {
            UNIT: lambda: cpu(unit, jobs) * exchanges,
            "the same job": lambda: cpu(lambda: run(client), jobs),
            "another job": lambda: cpu(lambda: run(client, JOB | {"prompt": f"Lake {next(numbers)}"}), jobs),
            "an emulator of its own": lambda: cpu(with_its_own, jobs),
        }
        for _ in range(rounds):
            for name in random.sample(list(ways), len(ways)):
                took[name].append(ways[name]())
    print(f"{exchanges:.1f} exchanges per job")
    print(f"{'way':28}{'CPU':>10}{'ratio':>8}")
    missed = []
    for name, times in took.items():
        ratio = statistics.median(one / unit for one, unit in zip(times, took[UNIT], strict=True))
        print(f"{name:28}{statistics.median(times):7.2f} ms{ratio:8.1f}")
        missed += [name] if ratio > MOST.get(name, ratio) else []
    if given.quick:
        print("A check that everything works: these figures are meaningless.")
    else:
        print(f"The targets were missed for {', '.join(missed)}." if missed else "The targets were met.")


if __name__ == "__main__":
    main()
