"""Mounted file systems, and disks that are full or broken."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def mounted(*arguments: str) -> Iterator[None]:
    """Mount a file system; skip the test if that is not permitted."""
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(["mount", *arguments], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", arguments[-1]], check=True)


def fsync_fails(monkeypatch: pytest.MonkeyPatch, number: int, *, folders: bool = False, after: int = 0) -> None:
    """Make the system's ``fsync`` fail with an error number, for folders or for files, after some successful calls."""
    real_fsync, calls = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal calls
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) == folders:
            calls += 1
            if calls > after:
                raise OSError(number, os.strerror(number))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
