"""The videos of earlier runs, in a list whose lines have moved: none is replaced by that of another job."""

from __future__ import annotations

import os
from pathlib import Path

from ..targets import safe_name
from .resultsfile import RESULTS, read_results

EARLIER = "earlier"
"""The folder, within that of the videos, for those whose name another job needs."""


class EarlierVideos:
    """Moves videos to the names that their jobs have now.

    A video is named by its line, so that others get its name if lines are added or removed above. It was paid for, and
    the service may no longer have it.

    Args:
        folder: The folder of the videos, with the results of earlier runs if there are any.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        results = [*read_results(folder / RESULTS)] if (folder / RESULTS).is_file() else []
        saved = [each for each in results if each["status"] == "completed" and each["label"] and each["path"]]
        self._labels = {Path(each["path"]): each["label"] for each in saved}
        self._paths = {label: path for path, label in self._labels.items()}

    def make_way(self, label: str, target: Path) -> bool:
        """Move away the video of another job, and move that of this job here, if there are any.

        Returns:
            Whether the video of this job is here now.

        Raises:
            OSError: A file cannot be moved.
        """
        other = self._labels.pop(target, None)
        if other == label and target.is_file():
            return True
        if other is not None and target.is_file():
            aside = self._aside(other, target)
            aside.parent.mkdir(exist_ok=True)
            os.replace(target, aside)
        own = self._paths.get(label)
        is_there = own is not None and self._labels.get(own) == label
        source = own if own is not None and is_there else self._aside(label, target)
        if source != target and source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
            return True
        return False

    def _aside(self, label: str, target: Path) -> Path:
        return self._folder / EARLIER / f"{safe_name(label)}{target.suffix}"
