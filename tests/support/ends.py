"""A program whose call ends early, by an exception that nothing catches.

::

    python -m support.ends full-disk /tmp/folder

It prints the ``.job_id`` of the exception, and Python prints the rest on stderr.
"""

from __future__ import annotations

import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent

from decart import EventHook, JobStatusResponse
from support.fakes import MP4, accepted, status, video
from support.queues import OWN, queue_of

PATIENCE = 60.0  # seconds; never reached when all is well


class Ended(BaseException):
    """What ends a call."""


class SoftTimeLimitExceeded(Exception):
    """What Celery raises out of a signal handler."""


class RaisingHook(EventHook):
    """An event hook that ends the call when a job was accepted."""

    def status_changed(self, event: object) -> None:
        """End the call."""
        raise Ended("the hook")


def limit(*_: object) -> None:
    """Handle the signal of a time limit."""
    raise SoftTimeLimitExceeded


def when(word: str, action: Callable[[], object]) -> Callable[[JobStatusResponse], None]:
    """Return a callback that does something when a job has a status."""

    def callback(job: JobStatusResponse) -> None:
        if job.status == word:
            action()

    return callback


def end(error: BaseException) -> None:
    """Raise an exception."""
    raise error


def full_disk() -> None:
    """Let no file grow any more."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(MP4) // 2, len(MP4) // 2))


def main(how: str, folder: str) -> None:
    settings: dict[str, Any] = {"event_hooks": [RaisingHook()]} if how == "hook" else {}
    queue, transport = queue_of(accepted(), status("processing"), status("completed"), video(), **settings)
    signal.signal(signal.SIGUSR1, limit)
    options: dict[str, Any] = {
        "callback": lambda: {"on_status_change": when("processing", lambda: end(Ended("the callback")))},
        "progress": lambda: {"progress": lambda progress: end(Ended()) if progress.direction == "download" else None},
        "gevent": lambda: {
            "on_status_change": when("processing", lambda: gevent.Timeout(0.001).start() or gevent.sleep(PATIENCE))
        },
        "hook": dict,
        "soft-limit": lambda: transport.at(0.7, lambda: signal.raise_signal(signal.SIGUSR1)) or {},
        "soft-limit-in-callback": lambda: {
            "on_status_change": when("completed", lambda: signal.raise_signal(signal.SIGUSR1))
        },
        "no-folder": lambda: {"on_status_change": when("completed", lambda: shutil.rmtree(folder))},
        "full-disk": lambda: {"on_status_change": when("completed", full_disk)},
    }[how]()
    try:
        queue.submit_and_poll(OWN, save_to=Path(folder, "lake.mp4"), **options)
    except BaseException as error:
        print(getattr(error, "job_id", None))
        raise


if __name__ == "__main__":
    main(*sys.argv[1:])
