"""Threads that do not keep a program from ending, unlike those of a `concurrent.futures.ThreadPoolExecutor`.

Python waits for the latter when it exits, so that a call which was given up in silence would hold up Ctrl-C for as long
as its read timeout.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
_Calls = queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]


class DaemonThreads:
    """A bounded number of threads that take calls in the order of their submission.

    Args:
        most: Threads at the same time; each is started when no other one is idle.
        name: The beginning of their names.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._calls: _Calls = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Have a thread call a function; after ``close`` one of its own, for what was still on its way."""
        future: Future[T] = Future()
        if self._closed:
            threading.Thread(target=_run, args=(future, function), name=f"{self._name}_last", daemon=True).start()
            return future
        self._calls.put((future, function))
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
            name = f"{self._name}_{len(self._threads)}"
            thread = threading.Thread(target=_work, args=(self._calls, self._idle), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def close(self) -> None:
        """Cancel the calls that have not begun, and let the threads end after those that have."""
        self._closed = True
        with suppress(queue.Empty):
            while (call := self._calls.get_nowait()) is not None:
                call[0].cancel()
                call[0].set_running_or_notify_cancel()
        for _ in self._threads:
            self._calls.put(None)

    def __del__(self) -> None:
        for _ in self._threads:
            self._calls.put(None)

    def join(self) -> None:
        """Wait for the threads to end."""
        for thread in self._threads:
            thread.join()


def _work(calls: _Calls, idle: threading.Semaphore) -> None:
    """Make calls until told to end; a thread does not keep its pool alive, which is forgotten with its transport."""
    while (call := calls.get()) is not None:
        _run(*call)
        del call  # or an idle thread would keep a response alive
        idle.release()


def _run(future: Future[T], function: Callable[[], T]) -> None:
    """Call a function for whoever waits for its result, unless nobody does any more."""
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)
