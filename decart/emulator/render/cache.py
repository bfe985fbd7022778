"""Cache finished renders, so that a job that is submitted twice is rendered once."""

import hashlib
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import attrs

from decart.emulator.render.job import RenderJob, removed_on_error


def fingerprint(job: RenderJob) -> str:
    """Return a hash of everything that a render depends on: the options, the prompt and the content of the files."""
    options = attrs.asdict(job, recurse=False, filter=attrs.filters.exclude("inputs", "trajectory"))
    digest = hashlib.sha256(ascii((sorted(options.items()), list(map(tuple, job.trajectory)))).encode())
    for name, path in sorted(job.inputs.items()):
        digest.update(f"|{name}:{path.stat().st_size}:".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


class Cached:
    """A renderer that caches the files of another one, and drops the least recently used first.

    The files are hard links: a cached file and the copies that were handed out occupy the disk only once.

    Args:
        renderer: The renderer to call when a job is not in the cache.
        folder: The cache folder. It must be on the same disk as the targets and used for nothing else; the caller
            deletes it.
        limit: The most bytes to cache. A file that is larger than this is not cached at all.

    Example:
        >>> Emulator(renderer=Cached(render, folder))  # doctest: +SKIP
    """

    def __init__(self, renderer: Callable[[RenderJob, Path], None], folder: Path, *, limit: int = 512 * 2**20) -> None:
        self._renderer, self._folder, self._limit = renderer, folder, limit
        self._sizes: OrderedDict[str, int] = OrderedDict()  # the most recently used comes last
        self._lock = threading.Lock()

    def __call__(self, job: RenderJob, target: Path) -> None:
        """Write the file for a job to a target that does not exist yet; a job that fails leaves nothing behind.

        Raises:
            RenderError: The job cannot be rendered; the message says why.
        """
        job.check()
        name = fingerprint(job)
        with self._lock, suppress(KeyError, FileNotFoundError):  # not cached, or deleted by somebody
            size = self._sizes.pop(name)
            _link(self._folder / name, target)
            self._sizes[name] = size
            return
        self._renderer(job, target)
        size = target.stat().st_size
        with self._lock, suppress(OSError):  # a full disk must not fail the job
            if size > self._limit or name in self._sizes:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            _link(target, self._folder / name)
            self._sizes[name] = size
            while sum(self._sizes.values()) > self._limit:
                oldest, _ = self._sizes.popitem(last=False)
                (self._folder / oldest).unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it if the disk does not support links."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        with removed_on_error(target):
            shutil.copyfile(source, target)
