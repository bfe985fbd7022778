"""Which process wrote a record, and whether it is still alive.

An owner is ``<machine>/<process id>/<start of the process>``. Whether a process of this machine is alive is known; of
another machine's, it is assumed until its record has not been written for ``LEASE`` seconds.
"""

from __future__ import annotations

import os
import platform
import time
from functools import lru_cache
from pathlib import Path

LEASE = 3600.0
"""Seconds after which a submit by a process of another machine is taken for dead; an upload may take long."""


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return what identifies this machine since its last start, or this container's process tree."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return platform.node()


def _started(pid: int) -> str | None:
    """Return when a process started, as far as the system says; ``None`` if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except FileNotFoundError:
        return "unknown" if not Path("/proc/self/stat").exists() and _exists(pid) else None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in ("Z", "X") else fields[18]


def _exists(pid: int) -> bool:
    """Return whether a process exists, where there is no /proc."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@lru_cache(maxsize=4)
def _owner(pid: int) -> str:
    return f"{_machine()}/{pid}/{_started(pid)}"


def this_process() -> str:
    """Return the owner that stands for this process."""
    return _owner(os.getpid())


def may_be_alive(owner: str, updated_at: float, now: float | None = None) -> bool:
    """Return whether the process that wrote a record at ``updated_at`` may still act on it."""
    machine, _, rest = owner.rpartition("/")[0].rpartition("/")
    pid, started = rest, owner.rpartition("/")[2]
    if machine == _machine() and pid.isdecimal():
        return _started(int(pid)) == started
    return (time.time() if now is None else now) - updated_at < LEASE
