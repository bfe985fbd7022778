"""The bar that ``progress=True`` shows: the job's status and the elapsed time during a wait, bytes during a transfer.

For a pool, it shows how many of its jobs are done, running, waiting and failed, the bytes received, and the time.

It is drawn by tqdm (extra ``progress``), which supports notebooks and terminals. Elsewhere, as in a log file, a cron
job or a program without stderr, nothing is shown. If drawing fails, the log says why and the bar is abandoned: the call
may be paid for and continues.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from ..errors import MissingExtraError
from ..events import log
from ..extras import require
from ..inputs import reason_of
from ..jobs import JobStatusResponse
from ..progress import PoolProgress, Progress

try:
    with warnings.catch_warnings():  # without ipywidgets, tqdm warns and falls back to text
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
except ImportError:
    require("progress", "tqdm")
    raise
except Exception as error:
    raise MissingExtraError(f"tqdm is installed, but cannot be used to draw a bar ({reason_of(error)}).") from error

tqdm.get_lock()  # made now, which imports multiprocessing: an import that is interrupted half-way fails ever after

_WAITING = "{desc} [{elapsed}]"


class Bar:
    """One bar for one call, redrawn as the call proceeds.

    Args:
        leave: Whether the bar of a phase that is over stays to be seen.
    """

    def __init__(self, *, leave: bool = True) -> None:
        self._leave = leave
        self._bar: Any = None
        self._output: Any = None
        self._phase = ""
        self._lock = threading.Lock()  # the thread that reads an upload reports its progress
        self._closed = False

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw(self._close)
        self._closed = True

    def on_progress(self, progress: Progress) -> None:
        """Show the progress of a transfer."""

        def draw() -> None:
            if self._enter(progress.direction, total=progress.total, unit="B", unit_scale=True, unit_divisor=1024):
                self._bar.n = progress.done
                self._bar.refresh()

        self._draw(draw)

    def on_poll(self, job: JobStatusResponse) -> None:
        """Show the status of a job."""

        def draw() -> None:
            if self._enter("wait", bar_format=_WAITING):
                self._bar.set_description_str(f"{job.model or 'job ' + job.job_id}: {job.status}")

        self._draw(draw)

    def on_pool(self, progress: PoolProgress) -> None:
        """Show the progress of a pool."""

        def draw() -> None:
            # the total may grow, but not that of a widget: it has the share of the jobs that have ended
            if self._enter("pool", total=1, dynamic_ncols=True, bar_format=" "):
                facts = self._bar.format_dict
                ended = progress.done + progress.failed
                self._bar.n = ended / progress.total if progress.total else 0
                self._bar.bar_format = pool_line(progress, facts["elapsed"], facts["ncols"])
                self._bar.refresh()

        self._draw(draw)

    def _draw(self, draw: Callable[[], None]) -> None:
        """Let one thread at a time draw, until the first failure.

        This is no context manager: an interrupt on its way in or out could leave the lock held, and ``__exit__`` hang.
        """
        with self._lock:
            try:
                draw()
            except Exception:
                self._closed = True
                with suppress(Exception):  # tqdm.refresh keeps its lock if it fails, and other threads would hang
                    tqdm.get_lock().release()
                log.warning("the progress bar cannot be drawn and is disabled", exc_info=True)
                with suppress(Exception):
                    self._bar.disable = True  # else it draws once more when it is garbage-collected

    def _enter(self, phase: str, **options: Any) -> bool:
        """Start a new bar if this is a new phase; return False if nothing may be drawn any more."""
        if self._closed:  # another thread is late, or drawing has failed
            return False
        if self._phase != phase:
            self._close()
            self._phase = phase
            self._bar, self._output = _show(desc=phase, leave=self._leave, **options)
        return True

    def _close(self) -> None:
        bar, self._bar = self._bar, None
        output, self._output = self._output, None
        if bar is None:
            return
        bar.close()
        if output is not None:  # else a copy of the notebook that has no widgets would show the beginning of the bar
            output.update(bar.container)


def pool_line(progress: PoolProgress, seconds: float, columns: int | None) -> str:
    """Return what a bar for a pool shows, as a format with the bar in it.

    What moves is on the right, so that the rest stays where it is. If there are fewer columns than that takes, the bar
    is shorter, and the time that is left and the bytes are left out.
    """
    counts = [
        f"{progress.done} done",
        f"{progress.running} running" if progress.running else "",
        f"{progress.waiting} waiting" if progress.waiting else "",
        f"{progress.failed} failed" if progress.failed else "",
    ]
    received = tqdm.format_sizeof(progress.bytes_received, "B", 1024) if progress.bytes_received else ""
    ended, total = progress.done + progress.failed, progress.total
    percent = f"{100 * ended // total:3}" if total else "  ?"
    elapsed = tqdm.format_interval(seconds)
    left = "<" + tqdm.format_interval(seconds * (total / ended - 1)) if total and ended else "<?"
    left = "" if ended == total else left
    if columns is None:  # a widget
        return f"{percent}%|{{bar}}| [{elapsed}{left}] {', '.join(filter(None, [*counts, received]))}"
    line, longest = "", 20 if columns >= 100 else 8
    for width, time, size in ((longest, left, received), (6, left, received), (6, "", received), (6, "", "")):
        text = f"| [{elapsed}{time}] {', '.join(filter(None, [*counts, size]))}"
        line = f"{percent}%|{{bar:{width}}}{text}"
        if len(percent) + 2 + width + len(text) <= columns:
            break
    return line


def _show(**options: Any) -> tuple[Any, Any]:
    """Show a bar; return it and, if it is a widget, the output of the notebook's cell that shows it."""
    ipython = sys.modules.get("IPython")
    if getattr(ipython and ipython.get_ipython(), "kernel", None) is None:
        return tqdm(disable=True if sys.stderr is None else None, **options), None  # None: unless it is a terminal
    from tqdm.notebook import tqdm_notebook  # in a notebook, it is loaded already

    displays = sys.modules.get("IPython.display")
    if displays is None or not issubclass(tqdm, tqdm_notebook):  # there is no ipywidgets
        return tqdm(disable=False, **options), None
    bar = tqdm(disable=False, display=False, **options)
    return bar, displays.display(bar.container, display_id=True)
