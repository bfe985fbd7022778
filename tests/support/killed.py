"""A program that performs downloads and saves into one target step by step, each in a process that may be killed.

It is a small process, so that forking it is quick. For each line of JSON that it reads, ``[function, arguments...]``,
it prints one with the result of the function, or the traceback of what it raised::

    python -m support.killed <<< '["any_interleaving", [[0, 0, "kill", 3]], [0]]'
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from decart import QueueJobResult
from decart.partfile import PartFile

EVENTS = ("open", "os.truncate", "os.rename", "os.remove", "os.listdir", "os.chmod", "os.chown", "fcntl.flock")


class Plan(NamedTuple):
    """What one download fetches, and how it fails."""

    job: int = 0
    version: int = 0
    fault: str | None = None
    at: int = 0

    @property
    def content(self) -> bytes:
        return f"job {self.job} version {self.version}; ".encode() * 20


CONTENTS = {Plan(job, version).content for job in range(2) for version in range(2)}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# a download, in a process of its own


def stepwise(target: Path, plan: Plan) -> Iterator[None]:
    """Perform the steps of a download, with a pause before each."""
    part = PartFile(target, f"https://api.test j{plan.job}")
    try:
        yield
        part.open()
        yield
        name = f'"v{plan.version}"'
        if part.validator != name:
            part.begin(name, len(plan.content))
        while part.size < len(plan.content):
            yield
            if plan.fault == "cut" and part.size >= plan.at * 20:
                return
            part.write(plan.content[part.size : part.size + 100])
        yield
        assert part.finish().read_bytes() in CONTENTS
    finally:
        part.close()


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def prepare(plan: Plan) -> None:
    """Make a download fail in a certain way, in its own process."""
    if plan.fault == "fsync":
        os.fsync = failing((errno.EIO, errno.ENOSPC, errno.EINVAL)[plan.at % 3])
    if plan.fault == "rename":
        os.replace = failing(errno.EPERM)
    if plan.fault == "kill":
        count = 0

        def kill(event: str, _: Any) -> None:
            nonlocal count
            if event in EVENTS:
                if count == plan.at:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        sys.addaudithook(kill)


class Download:
    """A download in its own process, which takes one step at a time, on command."""

    def __init__(self, target: Path, plan: Plan) -> None:
        read, self._go = os.pipe()
        self._did, write = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            status = 1
            try:
                os.close(self._go)
                prepare(plan)
                for _ in stepwise(target, plan):
                    os.write(write, b".")
                    if not os.read(read, 1):
                        break
                status = 0
            except OSError as error:
                status = 0 if plan.fault in ("fsync", "rename") and error.errno else 1
            finally:
                os._exit(status)
        os.close(read)
        os.close(write)
        self.going = bool(os.read(self._did, 1))

    def step(self) -> None:
        os.write(self._go, b".")
        self.going = bool(os.read(self._did, 1))

    def end(self) -> int:
        """Run it to its end, and return its exit status."""
        while self.going:
            self.step()
        os.close(self._go)
        os.close(self._did)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


# what is checked


def run(target: Path, plans: list[Plan], order: list[int]) -> None:
    """Run several downloads, whose steps alternate in this order."""
    downloads: list[Download] = []
    try:
        for plan in plans:
            downloads.append(Download(target, plan))
        for index in order:
            if (download := downloads[index % len(downloads)]).going:
                download.step()
            assert not target.exists() or target.read_bytes() in CONTENTS
    finally:
        codes = [download.end() for download in reversed(downloads)]
    for plan, code in zip(reversed(plans), codes, strict=True):
        assert code == 0 or (plan.fault == "kill" and code == -signal.SIGKILL), plan
    assert not target.exists() or target.read_bytes() in CONTENTS


def check_the_next(target: Path, jobs: set[int]) -> None:
    """Check that the next download of each job leaves a complete file and nothing else."""
    for job in jobs:
        assert Download(target, Plan(job)).end() == 0
        assert target.read_bytes() == Plan(job).content
    assert files(target.parent) == [target.name]


def any_interleaving(target: Path, plans: list[list[Any]], order: list[int]) -> None:
    """Run downloads at the same time, and the next ones after them."""
    run(target, [Plan(*plan) for plan in plans], order)
    check_the_next(target, {plan[0] for plan in plans})


def killed_downloads(target: Path, beside: bool, job: int) -> int:
    """Kill a download at each of its system calls, each time followed by another one, and count these moments.

    Args:
        beside: Whether another download has the part that can be resumed; the one that is killed gets a private one.
        job: The job of the next download.
    """
    moments = 0
    killed = True
    while killed:
        other = Download(target, Plan()) if beside else None
        if other is not None:
            other.step()
        killed = Download(target, Plan(0, fault="kill", at=moments)).end() == -signal.SIGKILL
        assert not target.exists() or target.read_bytes() in CONTENTS
        assert other is None or other.end() == 0
        resumable = not beside and any(name.endswith(".part") for name in files(target.parent))
        check_the_next(target, {0} if resumable else {job})  # what can be resumed is kept for its own job
        moments += 1
    return moments


def killed_saves(target: Path) -> int:
    """Kill a save at each of its system calls, each time followed by another one, and count these moments."""
    result = QueueJobResult(job_id="j1", status="completed", data=Plan().content)
    moments = 0
    killed = True
    while killed:
        child = os.fork()
        if not child:
            try:
                prepare(Plan(fault="kill", at=moments))
                result.save(target)
            finally:
                os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert not target.exists() or target.read_bytes() == Plan().content
        result.save(target)
        assert files(target.parent) == ["lake.mp4"]
        moments += 1
    return moments


def perform(function: Callable[..., Any], *arguments: Any) -> str | int | None:
    """Call a function with a target in a new folder; return its result, or the traceback of what it raised."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            result: int | None = function(Path(folder, "lake.mp4"), *arguments)
        except BaseException:
            return traceback.format_exc()
    return result


if __name__ == "__main__":
    os.fsync = lambda _: None  # no power cut is tested
    FUNCTIONS = {each.__name__: each for each in (any_interleaving, killed_downloads, killed_saves)}
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(perform(FUNCTIONS[name], *arguments)), flush=True)
