"""What ``decart doctor`` checks without a network: versions, the other package, the key, the journal, the terminal."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Literal

import attrs

from .._version import __version__
from ..config import DEFAULT_BASE_URL, Secret, settings
from ..errors import DecartSDKError, InvalidAPIKeyError
from ..extras import DISTRIBUTION
from .exits import Exit
from .service import read_key
from .wording import in_commands

NEEDED = ("requests", "urllib3", "attrs", "tenacity")
"""What the package cannot do without."""

EXTRAS: dict[str, tuple[str, ...]] = {
    "async": ("aiohttp",),
    "celery": ("celery",),
    "cli": ("shtab", "tqdm"),
    "emulator": ("av", "Pillow", "pydantic", "PyJWT", "cryptography", "werkzeug"),
    "images": ("Pillow",),
    "otel": ("opentelemetry-api",),
    "progress": ("tqdm",),
    "sql": ("sqlalchemy",),
    "verify": ("PyJWT", "cryptography"),
}
"""The packages of each extra."""

KINDS = {"dct_": "a permanent key", "ek_": "a client token", "eyJ": "a signed client token"}
"""How keys begin, and what they are."""

SHOWN = 2
"""Characters of the key that are shown, of one that is long enough to stay a secret."""


@attrs.frozen
class Check:
    """What a check has found.

    Attributes:
        name: What was checked.
        state: "problem" if something must be done; "skipped" if it was not checked, or is not needed.
        text: What was found.
        advice: What to do, if anything.
        code: The exit code of a problem.
    """

    name: str
    state: Literal["ok", "problem", "skipped"]
    text: str
    advice: str = ""
    code: Exit = Exit.DONE

    @classmethod
    def failed(cls, name: str, error: DecartSDKError, code: Exit = Exit.ERROR) -> Check:
        """Return the problem that an error explains."""
        return cls(name, "problem", in_commands(error.message), code=code)


def installation() -> list[Check]:
    """Check what is installed."""
    needed = [f"{name} {_version(name)}" for name in NEEDED]
    folder = Path(__file__).parent.parent
    return [
        Check("python", "ok", f"{platform.python_version()}, {sys.executable}, {platform.platform()}"),
        Check("packages", "ok", ", ".join([f"{DISTRIBUTION} {__version__} in {folder}", *needed])),
        _other_package(),
        _extras(),
    ]


def _other_package() -> Check:
    """Check that the service's own SDK, whose import name is the same, is not installed in another folder.

    If it is in the same folder, the import of this package fails, and says so.
    """
    name = "other package"
    for other in metadata.distributions(name="decart"):
        if any(file.name == "_user_agent.py" for file in other.files or ()):  # a module that only that one has
            return Check(
                name,
                "problem",
                f"the service's own SDK (decart {other.version}), which has the same import name, is installed in "
                f"{other.locate_file('')}",
                f"Uninstall one of them: pip uninstall decart, or pip uninstall {DISTRIBUTION}.",
                Exit.ERROR,
            )
    return Check(name, "ok", "the service's own SDK, which has the same import name, is not installed")


def _extras() -> Check:
    """Say which extras are installed."""
    lacks = {extra: [name for name in names if _version(name) is None] for extra, names in EXTRAS.items()}
    installed = [extra for extra, missing in lacks.items() if not missing]
    others = [f"{extra} (lacks {', '.join(missing)})" for extra, missing in lacks.items() if missing]
    text = f"installed: {', '.join(installed) or 'none'}" + (f"; not installed: {', '.join(others)}" if others else "")
    return Check("extras", "ok", text, f"pip install '{DISTRIBUTION}[NAME]' adds one." if others else "")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def key(file: str | None) -> tuple[Check, Secret | None]:
    """Check that there is a key; return it, too, if it can be used."""
    try:
        found = settings(read_key(file), DEFAULT_BASE_URL, None, None).api_key
    except InvalidAPIKeyError as error:
        return Check.failed("key", error, Exit.KEY_REFUSED), None
    source = "DECART_API_KEY" if file is None else file
    kind = next((kind for prefix, kind in KINDS.items() if found.startswith(prefix)), None)
    text = f"{kind or 'a key of an unknown kind'} from {source}, {masked(found)}, {len(found)} characters"
    advice = "" if kind else "The keys of the service begin with dct_; is it complete?"
    return Check("key", "ok", text, advice), found


def masked(key: str) -> str:
    """Return what may be shown of a key.

    Example:
        >>> masked("dct_0123456789abcdef"), masked("dct_local")
        ('***ef', '***')
    """
    return "***" + (key[-SHOWN:] if len(key) >= 8 * SHOWN else "")


def journal(path: str | None) -> Check:
    """Check that the journal can be read; one that does not exist yet is not created."""
    if path is None:
        return Check("journal", "skipped", "none is given", "--journal FILE or DECART_JOURNAL names one.")
    if not os.path.exists(path):
        folder = Path(path).absolute().parent
        if folder.is_dir() and os.access(folder, os.W_OK):
            return Check("journal", "ok", f"{path} does not exist yet; it is created with the first job")
        return Check("journal", "problem", f"{path} cannot be created.", f"Is {folder} a folder that you can write to?",
                     Exit.ERROR)  # fmt: skip
    from ..journal.sqlite import SQLiteJournal  # loads a database

    try:
        records = SQLiteJournal(path, lock_timeout=2.0)
        try:
            newest = records.select(limit=1, newest_first=True)
        finally:
            records.close()
    except DecartSDKError as error:
        return Check.failed("journal", error)
    return Check("journal", "ok", f"{path} can be read" + ("" if newest else ", and is empty"))


def terminal() -> Check:
    """Say whether progress bars can be shown."""
    if sys.stderr is None or not sys.stderr.isatty():
        return Check("terminal", "skipped", "standard error is not a terminal, so no bars are shown")
    if _version("tqdm") is None:
        return Check("terminal", "skipped", "bars need tqdm", f"pip install '{DISTRIBUTION}[cli]'")
    columns = shutil.get_terminal_size().columns
    return Check("terminal", "ok", f"standard error is a terminal of {columns} columns; bars are shown")
