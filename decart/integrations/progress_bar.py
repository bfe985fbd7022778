"""The bar that ``progress=True`` shows: the job's state and the time while it is waited for, bytes while they move.

It is tqdm's, which knows how to draw one in a notebook and in a terminal (extra ``progress``). Where there is neither,
as in a log file, a cron job or a program without stderr, nothing is shown. A bar that cannot be drawn is given up, and
the log says why: the call, which may be paid for, goes on.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

from ..errors import MissingExtraError
from ..extras import require
from ..inputs import reason_of
from ..jobs import JobStatusResponse
from ..log import log
from ..progress import Progress

try:
    with warnings.catch_warnings():  # without ipywidgets, tqdm warns, and draws with characters
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
except ImportError:
    require("progress", "tqdm")
    raise
except Exception as error:
    raise MissingExtraError(f"tqdm is installed, but cannot be used to draw a bar ({reason_of(error)}).") from error

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
        with self._drawing():
            self._end()
        self._closed = True

    def moved(self, progress: Progress) -> None:
        """Show how far a transfer is."""
        with self._drawing():
            if self._turns_to(progress.direction, total=progress.total, unit="B", unit_scale=True, unit_divisor=1024):
                self._bar.n = progress.done
                self._bar.refresh()

    def looked(self, job: JobStatusResponse) -> None:
        """Show where a job is."""
        with self._drawing():
            if self._turns_to("wait", bar_format=_WAITING):
                self._bar.set_description_str(f"{job.model or 'job ' + job.job_id}: {job.status}")

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Draw, one thread at a time; the first failure is the last."""
        with self._lock:
            try:
                yield
            except Exception:
                self._closed = True
                log.warning("the progress bar cannot be drawn, and is given up", exc_info=True)
                with suppress(Exception):
                    self._bar.disable = True  # else it tries again when it is garbage

    def _turns_to(self, what: str, **looks: Any) -> bool:
        """Make sure that the bar is of this kind, and say whether there is one."""
        if self._closed:
            return False  # a thread was late, or nothing can be drawn
        if self._what != what:
            self._end()
            self._what = what
            self._bar = tqdm(desc=what, disable=_hides(), **looks)
        return True

    def _end(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()


def _hides() -> bool | None:
    """Say whether no bar is shown; None leaves it to tqdm, which asks stderr whether it is a terminal."""
    if _in_notebook():
        return False
    return True if sys.stderr is None else None


def _in_notebook() -> bool:
    """Say whether this is the kernel of a notebook, which shows what is printed although it is no terminal."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython and ipython.get_ipython(), "kernel", None) is not None
