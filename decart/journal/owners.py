"""Which call wrote a record, and whether it may still act on it.

An owner is ``<machine>/<process id>/<start of the process>/<number>``; no owner is ``""``. Whether a call of this
process has ended is known. So is whether a process of this machine is alive; a process of another machine is assumed to
be until its record has not been written for ``LEASE`` seconds. Nothing is paid twice if that is wrong: a call that was
taken for dead finds its record changed before it sends anything.
"""

from __future__ import annotations

import os
import platform
import time
import uuid
from functools import lru_cache
from itertools import count
from pathlib import Path
from weakref import WeakValueDictionary

LEASE = 600.0
"""Seconds after which a submit by a process of another machine is taken for dead; an upload may take minutes."""

UNSEEN = "unknown"
"""The start of a process where the system does not say: no Linux, or a process that it hides."""

_claims: WeakValueDictionary[str, Claim] = WeakValueDictionary()
_numbers = count(1)


class Claim:
    """The right of one call to act on a record. It ends with the call, even if an interrupt keeps it from saying so.

    Attributes:
        owner: The owner to write into the record.
        ended: Set it to end the claim early.
    """

    def __init__(self) -> None:
        self.ended = False
        self.owner = f"{this_process()}/{next(_numbers)}"
        _claims[self.owner] = self


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return what identifies this machine since its last start, or this container's process tree."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux
        return f"{platform.node()}:{uuid.getnode():x}".replace("/", "_")


def _started(pid: int) -> str | None:
    """Return when a process started, as far as the system says; ``None`` if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return UNSEEN if _exists(pid) else None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in ("Z", "X") else fields[18]


def _exists(pid: int) -> bool:
    """Return whether a process exists whose entry in /proc cannot be read."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


@lru_cache(maxsize=1)
def _owner(pid: int) -> str:
    return f"{_machine()}/{pid}/{_started(pid)}"


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_owner.cache_clear)  # a child may get the process id of a dead ancestor


def this_process() -> str:
    """Return what the owners of this process begin with."""
    return _owner(os.getpid())


def may_be_alive(owner: str, updated_at: float, now: float | None = None) -> bool:
    """Return whether the call that wrote a record at ``updated_at`` may still act on it."""
    process = owner.rpartition("/")[0]
    if process == this_process():
        claim = _claims.get(owner)
        return claim is not None and not claim.ended
    fresh = bool(owner) and (time.time() if now is None else now) - updated_at < LEASE
    machine, _, rest = process.partition("/")
    pid, _, started = rest.partition("/")
    if machine != _machine() or not pid.isdecimal():
        return fresh
    seen = _started(int(pid))
    return seen == started != UNSEEN or (fresh and UNSEEN in (seen, started) and seen is not None)
