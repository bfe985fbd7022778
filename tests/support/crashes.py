"""A program that runs workers with a journal, and kills them.

A worker makes the videos of some labels: it submits, waits, downloads and saves. It is forked from a small process, so
that a start is quick. For each line of JSON that the program reads, it runs the workers once and prints a line::

    python -m support.crashes <<< '{"url": "http://127.0.0.1:1234", "folder": "/tmp/x", "labels": ["a"], "plans": [{}]}'

A plan has the transport, ``how`` the worker works, and the kill: ``at`` a step, or ``after`` seconds. The step is given
by its number, or by its name and how many of that name come before it. With ``interrupt``, it is Ctrl-C instead of
SIGKILL. With ``pool``, the arguments of a pool, the worker makes all videos in one: see `support.pooled`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from decart import (
    DecartClient,
    EventHook,
    JobRecord,
    JournalError,
    PollPolicy,
    SQLiteJournal,
    SubmitOutcomeUnknownError,
    models,
)
from decart.integrations.sql import SQLAlchemyJournal
from support import pooled

POLL = PollPolicy(interval=0.01, max_interval=0.02)
AUDITED = ("open", "os.rename", "os.remove", "os.truncate", "fcntl.flock", "socket.connect")
DONE, UNKNOWN, FAILED, BROKEN, INTERRUPTED = 0, 1, 2, 4, 8
"""Exit codes, which may be combined: all videos are saved; a submit has an unknown outcome; something else went wrong;
the journal could not be used; it was interrupted."""

PATIENCE = 60.0
"""Seconds within which a worker ends by itself; never reached when all is well."""


class Steps:
    """What a worker does, step by step.

    Args:
        kill_at: The number of the step before which it is killed, or its name and how many of that name are before it.
        by: The signal that kills it.
        note: The file that gets the names of the steps.
    """

    def __init__(self, kill_at: int | list[Any] | None, by: signal.Signals, note: Path | None) -> None:
        self.kill_at, self.signals, self.note, self.names = kill_at, [by], note, list[str]()

    def step(self, name: str) -> None:
        if self.kill_at in (len(self.names), [name, self.names.count(name)]):
            with suppress(IndexError):  # several threads may be at this step, and one of them sends it
                os.kill(os.getpid(), self.signals.pop())
        self.names.append(name)

    def audit(self, folder: str) -> None:
        """Count system calls as steps, too."""

        def heard(event: str, arguments: tuple[Any, ...]) -> None:
            if event in AUDITED and (event == "socket.connect" or folder in str(arguments)):
                self.step(event)

        sys.addaudithook(heard)

    def write(self) -> None:
        if self.note is not None:
            self.note.write_text(json.dumps(self.names))


class Watched(SQLiteJournal):
    """A journal whose writes are steps."""

    def __init__(self, path: Path, steps: Steps) -> None:
        super().__init__(path)
        self._steps = steps

    def _write_between(self, name: str, write: Callable[[], bool]) -> bool:
        self._steps.step(f"before {name}")
        done = write()
        self._steps.step(f"after {name}")
        return done

    def insert(self, record: JobRecord) -> bool:
        return self._write_between("insert", lambda: super(Watched, self).insert(record))

    def replace(self, record: JobRecord) -> bool:
        return self._write_between(f"{record.state} {record.status}", lambda: super(Watched, self).replace(record))


class Hook(EventHook):
    """Makes steps of what the client reports."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def request_sent(self, event: Any) -> None:
        self._steps.step(f"{event.method}")

    def response_received(self, event: Any) -> None:
        self._steps.step(f"response {event.method}")

    def bytes_moved(self, event: Any) -> None:
        self._steps.step(event.direction)

    def status_changed(self, event: Any) -> None:
        self._steps.step(event.status)


def options_of(label: str) -> Any:
    return {"model": models.video("lucy-pro-t2v"), "prompt": f"The video of {label}"}


def work(client: DecartClient, folder: Path, labels: list[str], how: str) -> int:
    """Make all videos; return the exit code."""
    code = DONE
    if how == "resume":
        code |= one(lambda: client.jobs.resume(save_to=folder / "{label}.mp4", poll=POLL))
    if how == "submit first":
        for label in labels:
            code |= one(lambda label=label: client.queue.submit(options_of(label), label=label))
    for index, label in enumerate(labels):
        if how == "fork" and index == 1:
            os.fork()  # both continue with the same labels
        target = folder / f"{label}.mp4"
        if how == "async":
            made = client.aio.queue.submit_and_poll
            code |= one(
                lambda label=label, target=target, made=made: asyncio.run(
                    made(options_of(label), label=label, save_to=target, poll=POLL)
                )
            )
        else:
            code |= one(
                lambda label=label, target=target: client.queue.submit_and_poll(
                    options_of(label), label=label, save_to=target, poll=POLL
                )
            )
    return code


def one(call: Callable[[], Any]) -> int:
    try:
        call()
    except SubmitOutcomeUnknownError:
        return UNKNOWN
    except JournalError:
        return BROKEN
    return DONE


@attrs.frozen
class Worker:
    """A worker in a process group of its own.

    Attributes:
        group: Its process id, and that of its group.
        alive: A pipe whose writing end it and the processes that it forks hold until they end.
    """

    group: int
    alive: int

    def has_ended(self, within: float | None = None) -> bool:
        """Wait until it and what it forked have ended, at most for some seconds; return whether they have."""
        return bool(select.select([self.alive], [], [], within)[0])

    def kill(self, by: signal.Signals) -> None:
        """Kill it with what it forked."""
        try:
            os.killpg(self.group, by)
        except (ProcessLookupError, PermissionError):  # it is not in its group yet, or has ended
            os.kill(self.group, by)

    def exit_code(self) -> int:
        """Wait until all have ended, and return its exit code; that of a killed one is -9."""
        if not self.has_ended(PATIENCE):
            self.kill(signal.SIGKILL)
            return FAILED
        os.close(self.alive)
        return os.waitstatus_to_exitcode(os.waitpid(self.group, 0)[1])


def start(url: str, folder: Path, labels: list[str], plan: dict[str, Any]) -> Worker:
    """Start a worker."""
    alive, held = os.pipe()
    child = os.fork()
    if child:
        os.close(held)
        return Worker(child, alive)
    code = FAILED
    try:
        os.setpgid(0, 0)
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            code = perform(url, folder, labels, plan)
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    except KeyboardInterrupt as error:
        code = INTERRUPTED
        (folder / pooled.NOTES).write_text(json.dumps(pooled.notes_of(error)))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def perform(url: str, folder: Path, labels: list[str], plan: dict[str, Any]) -> int:
    """Work as a plan says; return the exit code."""
    steps = Steps(plan.get("at"), signal_of(plan), Path(plan["note"]) if "note" in plan else None)
    steps.audit(str(folder))
    threading.excepthook = fail
    sys.setswitchinterval(1e-5)  # so that threads overtake each other anywhere
    settings: dict[str, Any] = {
        "api_key": "dct_test",
        "base_url": url,
        "transport": plan.get("transport"),
        "journal": SQLAlchemyJournal(plan["database"]) if "database" in plan else Watched(folder / "jobs.db", steps),
        "event_hooks": [Hook(steps)],
        "poll": POLL,
    }
    code = DONE
    if "pool" in plan:
        save_to = f"{folder}/{labels[0].rpartition('-')[0]}-{{index}}.mp4"
        for result in pooled.make(settings, plan["pool"], map(options_of, labels), save_to):
            code |= one(partial(pooled.check, result))
    else:
        with DecartClient(**settings) as client:
            code = work(client, folder, labels, plan.get("how", ""))
    steps.write()
    return code


def fail(of: threading.ExceptHookArgs) -> None:
    """End a worker in which a thread fails; what the thread was to do would be missing."""
    traceback.print_exception(of.exc_value)
    os._exit(FAILED)


def signal_of(plan: dict[str, Any]) -> signal.Signals:
    return signal.SIGINT if "interrupt" in plan else signal.SIGKILL


def run(url: str, folder: str, labels: list[str], plans: list[dict[str, Any]]) -> list[int]:
    """Run workers at once, and return their exit codes; that of a killed one is -9."""
    workers = [start(url, Path(folder), labels, plan) for plan in plans]
    began = time.monotonic()
    for worker, plan in sorted(zip(workers, plans, strict=True), key=lambda both: both[1].get("after", 0)):
        if "after" in plan and not worker.has_ended(max(0, began + plan["after"] - time.monotonic())):
            worker.kill(signal_of(plan))
    return [worker.exit_code() for worker in workers]


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # a worker unblocks it once it can deal with it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.fsync = lambda _: None  # no power cut is tested
    pooled.warm_up()
    gc.freeze()  # a worker whose collections touch what the program has made would copy it
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)
