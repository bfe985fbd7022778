"""The bar that ``progress=True`` shows: the job's state and the time while it is waited for, bytes while they move.

It is tqdm's, which knows how to draw one in a notebook and in a terminal (extra ``progress``). Where there is neither,
as in a log file or a cron job, nothing is shown.
"""

from __future__ import annotations

import sys
import threading
import warnings
from types import TracebackType
from typing import Any

from ._extras import require
from .jobs import JobStatusResponse
from .progress import Progress

try:
    with warnings.catch_warnings():  # without ipywidgets, tqdm warns, and draws with characters
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
except ImportError:
    require("progress", "tqdm")
    raise

_WAITING = "{desc} [{elapsed}]"


class Bar:
    """One bar for one call; it changes its looks with what the call does."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._what = ""
        self._lock = threading.Lock()  # an upload is told of by the thread that reads the file
        self._closed = False

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            self._end()

    def moved(self, progress: Progress) -> None:
        """Show how far a transfer is."""
        with self._lock:
            if self._turns_to(progress.direction, total=progress.total, unit="B", unit_scale=True, unit_divisor=1024):
                self._bar.n = progress.done
                self._bar.refresh()

    def looked(self, job: JobStatusResponse) -> None:
        """Show where a job is."""
        with self._lock:
            if self._turns_to("wait", bar_format=_WAITING):
                self._bar.set_description_str(f"{job.model or 'job ' + job.job_id}: {job.status}")

    def _turns_to(self, what: str, **looks: Any) -> bool:
        """Make sure that the bar is of this kind, and say whether there is one."""
        if self._closed:
            return False  # a thread was late
        if self._what != what:
            self._end()
            self._what = what
            self._bar = tqdm(desc=what, disable=None if not _in_notebook() else False, **looks)
        return True

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _in_notebook() -> bool:
    """Say whether this is the kernel of a notebook, which shows what is printed although it is no terminal."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython and ipython.get_ipython(), "kernel", None) is not None
