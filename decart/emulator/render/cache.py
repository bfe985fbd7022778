"""Finished renders, kept so that the same job asked for twice is rendered once."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import attrs

from decart.emulator.render.job import RenderJob

BLOCK = 1024 * 1024


def fingerprint(job: RenderJob) -> str:
    """Return a name for all that a render depends on: the options, the words, and the content of the files.

    Example:
        >>> fingerprint(job) == fingerprint(attrs.evolve(job, seed=job.seed + 1))
        False
    """
    options = attrs.asdict(job, recurse=False, filter=attrs.filters.exclude("inputs", "trajectory"))
    digest = hashlib.sha256(ascii((sorted(options.items()), list(map(tuple, job.trajectory)))).encode())
    for name, path in sorted(job.inputs.items()):
        digest.update(f"|{name}:{path.stat().st_size}:".encode())
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()


class Cached:
    """A renderer that gives the file again which it made for the same job before.

    The files are hard links, so that one that is kept and one that was handed out take their room once. The one that
    was not asked for the longest goes first.

    Args:
        renderer: What makes a file the first time.
        folder: Where the files are kept: a folder of its own, on the same disk as the targets, which the caller
            deletes.
        limit: Bytes that are kept at most. A larger file is not kept at all.

    Example:
        >>> Emulator(renderer=Cached(render, folder))  # doctest: +SKIP
    """

    def __init__(
        self, renderer: Callable[[RenderJob, Path], None], folder: Path, *, limit: int = 512 * 1024 * 1024
    ) -> None:
        self._renderer = renderer
        self._folder = folder
        self._limit = limit
        self._sizes: OrderedDict[str, int] = OrderedDict()  # the one asked for last comes last
        self._lock = threading.Lock()

    def __call__(self, job: RenderJob, target: Path) -> None:
        """Write the file of a job, as a renderer does; a job that fails leaves nothing behind, and may be tried again.

        Args:
            job: What to make.
            target: File to write, which is not there yet.

        Raises:
            RenderError: The job cannot be done; the message says why.
        """
        job.check()
        name = fingerprint(job)
        if not self._give(name, target):
            self._renderer(job, target)
            self._keep(name, target)

    def _give(self, name: str, target: Path) -> bool:
        """Put the kept file where it is wanted, if there is one."""
        with self._lock:
            if name not in self._sizes:
                return False
            self._sizes.move_to_end(name)
            try:
                _link(self._folder / name, target)
            except FileNotFoundError:  # someone cleaned up
                del self._sizes[name]
                return False
            return True

    def _keep(self, name: str, target: Path) -> None:
        """Keep a file, and let go of the oldest ones that it is too many for."""
        size = target.stat().st_size
        with self._lock, suppress(OSError):  # a full disk is no reason to lose the job
            if size > self._limit or name in self._sizes:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            _link(target, self._folder / name)
            self._sizes[name] = size
            while sum(self._sizes.values()) > self._limit:
                oldest, _ = self._sizes.popitem(last=False)
                (self._folder / oldest).unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; where the disk cannot, copy it."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        part = target.with_name(f"{target.name}.{uuid4().hex}")
        shutil.copyfile(source, part)
        part.replace(target)
