"""Files of public repositories that tests compare the emulator with, and that are not copied into this one."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

RAW = "https://raw.githubusercontent.com"
LIMIT = 64 * 1024 * 1024  # bytes of one file
PATIENCE = 30.0  # seconds without a byte


class Unavailable(Exception):
    """A file cannot be had; the message says why, and what to do."""


def published(repository: str, path: str, variable: str, *, ref: str = "HEAD", copy: str | None = None) -> bytes:
    """Return a file of a public repository.

    Args:
        repository: The owner and the name of the repository on GitHub.
        path: The path of the file in it.
        variable: The environment variable that may name a copy.
        ref: The branch, tag or commit to download from.
        copy: A copy of the file, or of the repository, which is not downloaded then; by default, that of the variable.

    Raises:
        Unavailable: The copy does not exist, or the file cannot be downloaded.
    """
    given = copy or os.environ.get(variable)
    try:
        if given:
            return (Path(given, path) if Path(given).is_dir() else Path(given)).read_bytes()
        with urllib.request.urlopen(f"{RAW}/{repository}/{ref}/{path}", timeout=PATIENCE) as response:
            return bytes(response.read(LIMIT))
    except (OSError, urllib.error.URLError) as error:
        advice = "" if given else f"; set {variable} to the path of a copy"
        raise Unavailable(f"{path} of {repository} is not available ({error}){advice}") from None
