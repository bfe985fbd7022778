"""A program that aborts tasks at random times while they use a client, and prints the outcomes.

::

    python -m support.limits soft_limits requests http://127.0.0.1:1234 300

``soft_limits`` raises an exception in the handler of SIGUSR1, as Celery does in its workers. ``timeouts`` uses
`gevent.Timeout`, and ``kills`` uses `gevent.killall`, in a Python that gevent has patched before any other import.
"""

import sys

if sys.argv[1] in ("timeouts", "kills"):
    from gevent import monkey

    monkey.patch_all()

import json
import random
import signal
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import attrs
import gevent

from decart import DecartClient, RetryPolicy, models
from support.calls import HANG, Calls, Tally, census, timed, usability, watch_for_hangs
from support.faces import SYNC

GREENLETS = 8  # greenlets that are aborted concurrently
WARM_UP = 100  # calls to measure their duration


class SoftTimeLimitExceeded(Exception):
    """The exception of Celery; like there, it is an ``Exception``."""


ENDS = (SoftTimeLimitExceeded, gevent.Timeout, gevent.GreenletExit)


class Task:
    """A task that makes random submits and status checks, one after another, until it is aborted."""

    def __init__(self, client: DecartClient, tally: Tally, calls: Calls) -> None:
        self._client, self._tally, self._calls = client, tally, calls

    def call(self) -> None:
        """Make a call, and check that the response belongs to it."""
        job_id = self._calls.next_call().job_id
        began = time.perf_counter()
        try:
            if random.random() < 0.5:
                answered = self._client.queue.status(job_id).job_id
            else:
                order: Any = {"model": models.video("lucy-pro-t2v"), "prompt": job_id}
                answered = self._client.queue.submit(order).job_id
            self._tally.crossed += answered != job_id
        finally:
            self._tally.slowest = max(self._tally.slowest, time.perf_counter() - began)

    def run(self, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Make calls until one is interrupted, or the interrupt has landed in a finalizer, which reports it."""
        try:
            while goes_on():
                self.call()
        except ENDS:
            self._tally.hits += 1
        except Exception as error:
            self._tally.errors.append(repr(error))


def soft_limits(task: Task, tally: Tally, limits: int, moment: Callable[[], float]) -> None:
    """Let a supervisor abort ``limits`` tasks of the main thread."""
    main, started, over = threading.get_ident(), threading.Semaphore(0), threading.Event()
    working = False

    def ring(*_: object) -> None:
        nonlocal working
        if working:
            working = False
            tally.fired += 1
            raise SoftTimeLimitExceeded

    def is_at_work() -> bool:
        return working

    def supervise() -> None:
        while started.acquire() and not over.wait(moment()):
            signal.pthread_kill(main, signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, ring)
    supervisor = threading.Thread(target=supervise)
    supervisor.start()
    for _ in range(limits):
        watch_for_hangs()
        tally.calls += 1
        try:
            working = True  # before the supervisor starts, or its only signal could be ignored
            started.release()
            task.run(is_at_work)
        except SoftTimeLimitExceeded:  # before the first call
            tally.hits += 1
    over.set()
    started.release()
    supervisor.join()


def timeouts(task: Task, tally: Tally, limits: int, moment: Callable[[], float]) -> None:
    """Have greenlets end their tasks by a timeout."""

    def work() -> None:
        for _ in range(limits // GREENLETS):
            watch_for_hangs()
            tally.calls += 1
            with gevent.Timeout(moment(), False):
                task.run()

    gevent.joinall([gevent.spawn(work) for _ in range(GREENLETS)], raise_error=True)


def kills(task: Task, tally: Tally, limits: int, moment: Callable[[], float]) -> None:
    """Kill greenlets in the middle of their tasks."""
    for _ in range(limits // GREENLETS):
        watch_for_hangs()
        greenlets = [gevent.spawn(task.run) for _ in range(GREENLETS)]
        tally.calls += GREENLETS
        while greenlets:
            gevent.sleep(moment() / GREENLETS)
            greenlets.pop(random.randrange(len(greenlets))).kill()


def main(how: str, name: str, url: str, limits: str) -> None:
    unraisable: list[str] = []
    sys.unraisablehook = lambda unraised: unraisable.append(f"{unraised.exc_value!r} in {unraised.object!r}")
    warnings.simplefilter("ignore", ResourceWarning)  # who is ended while connecting leaves the socket to the collector
    watch_for_hangs()
    tally, calls, transport, durations = Tally(), Calls(url), SYNC[name](), [0.0]
    once = RetryPolicy(attempts=1)
    with DecartClient("dct_test", base_url=url, timeout=HANG / 2, retry=once, transport=transport) as client:
        task = Task(client, tally, calls)
        for _ in range(WARM_UP):
            began = time.perf_counter()
            task.call()
            usual = timed(durations, began)
        warm = census()
        HOW[how](task, tally, int(limits), lambda: random.uniform(0, 3 * usual))
        watch_for_hangs()
        afterwards = census()
        before = calls.count(transport, "connections")
        for _ in range(WARM_UP):
            task.call()
        later = calls.count(transport, "connections") - before
        use = usability(transport, calls)
    report = {"connections_of_later_calls": later, "warm": warm, "afterwards": afterwards, "closed": census()}
    json.dump(attrs.asdict(tally) | use | report | {"unraisable": unraisable}, sys.stdout)


HOW = {"soft_limits": soft_limits, "timeouts": timeouts, "kills": kills}

if __name__ == "__main__":
    main(*sys.argv[1:])
