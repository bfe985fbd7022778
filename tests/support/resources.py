"""Check what a test leaves behind: sockets, threads and unclosed objects."""

from __future__ import annotations

import contextlib
import gc
import os
import stat
import threading
from collections.abc import Iterator

FOLDER = "/dev/fd"  # names the file descriptors of the process that reads it; Windows has none


def open_sockets() -> set[int]:
    """Return the inodes of all sockets of this process."""
    found = set()
    for number in map(int, os.listdir(FOLDER) if os.path.isdir(FOLDER) else ()):
        with contextlib.suppress(OSError):
            status = os.fstat(number)
            if stat.S_ISSOCK(status.st_mode):
                found.add(status.st_ino)
    return found


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Check that the ``with`` block leaves no sockets, threads or unclosed objects behind."""
    gc.collect()
    gc.freeze()  # so that the collection afterwards, and those of the test itself, go through its own objects only
    threads, sockets = set(threading.enumerate()), open_sockets()
    yield
    gc.collect()  # emits a warning for an unclosed socket, and warnings are errors
    assert set(threading.enumerate()) <= threads
    assert open_sockets() <= sockets
