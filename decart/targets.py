"""The path that a video is saved to: what it means, and whether a file can be written there."""

from __future__ import annotations

import hashlib
import os
import re
import reprlib
import stat
from contextlib import suppress
from pathlib import Path

from .errors import InvalidInputError

_DEVICE = re.compile("con|prn|aux|nul|conin\\$|conout\\$|(com|lpt)[0-9¹²³]", re.IGNORECASE)
NAME_LIMIT = 160
"""Bytes of a value that is part of the name of a file; file systems allow 255 for all of a name."""

_FORBIDDEN = re.compile(r'[<>:"|?*/\\\x00-\x1f]')  # a colon would name a stream inside another file


def check_target(path: object, name: str = "path") -> Path:
    """Return the absolute path that a video may be saved to; see ``find_target``.

    Raises:
        InvalidInputError: It is not a path, or nothing can be saved there; the message begins with ``name``.
    """
    try:
        return find_target(path, name=name)
    except OSError as error:
        raise InvalidInputError(f"{name}: {error}") from None


def current_folder() -> str:
    """Return the current folder, or ``"."`` if it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return os.curdir


def find_target(path: object, start: str = os.curdir, *, name: str = "path") -> Path:
    """Return the absolute path of a file that may be written, or of a symlink that leads to it.

    Args:
        path: The path as the caller gave it; ``~`` is the home folder.
        start: The folder that a relative path starts from.
        name: The argument that it was given as, which errors mention.

    Raises:
        InvalidInputError: It is not a path.
        OSError: It is a folder or a special file, or its folder does not exist or cannot be written to.
    """
    typed = _fspath(path, name)
    target = Path(start, os.path.expanduser(typed)).absolute()
    if _is_open_file(target):
        raise OSError(f"{typed} is an open file of a process, which cannot be replaced; choose a regular file.")
    if os.name == "nt" and (flaw := flaw_on_windows(target.name)):  # pragma: no cover - Windows
        raise OSError(f"{typed} cannot be written: {flaw}. Choose another name.")
    check_regular(target, typed)
    if typed.endswith(("/", os.sep)):
        raise IsADirectoryError(f"{typed} is a folder; name a file in it.")
    file = resolved(target)
    folder = os.path.dirname(typed) or os.curdir
    if target.is_symlink():
        folder = f"{file.parent}, which {typed} leads to,"
    if not file.parent.is_dir():
        raise FileNotFoundError(f"{typed} cannot be written: the folder {folder} does not exist.")
    if not os.access(file.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(f"{typed} cannot be written: the folder {folder} is not writable.")
    return target


def check_regular(path: Path, display_name: str = "") -> None:
    """Raise an ``OSError`` that says what a path leads to, unless that is a regular file or nothing."""
    name = display_name or str(path)
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise type(error)(f"{name} cannot be written: {error.strerror}.") from None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{name} is a folder; name a file in it.")
    if stat.S_ISSOCK(mode):
        raise OSError(f"{name} is a socket, not a regular file.")
    if not stat.S_ISREG(mode):
        kind = "FIFO" if stat.S_ISFIFO(mode) else "device"
        code = f"with open({str(path)!r}, 'wb') as file: file.writelines(client.queue.stream(job_id))"
        code += "  # an image: file.write(image.data)"
        raise OSError(f"{name} is a {kind}, not a regular file; write to it yourself: {code}")


def flaw_on_windows(name: str) -> str:
    """Return why Windows would write to something other than a file of this name; ``""`` if it would not.

    Example:
        >>> flaw_on_windows("nul.mp4")
        "'nul' is the name of a device on Windows"
    """
    stem = name.partition(".")[0].rstrip(" ")
    if _DEVICE.fullmatch(stem):
        return f"{stem!r} is the name of a device on Windows"
    if found := _FORBIDDEN.search(name):
        return f"Windows does not allow {found[0]!r} in a file name"
    return "Windows does not allow a dot or space at the end of a file name" if name.endswith((".", " ")) else ""


def _fspath(path: object, name: str) -> str:
    typed: object = None
    with suppress(Exception):  # an __fspath__ may raise anything
        typed = os.fspath(path)  # type: ignore[call-overload]
    with suppress(UnicodeEncodeError):
        if isinstance(typed, str) and typed and b"\0" not in os.fsencode(typed):
            return typed
    raise InvalidInputError(f"{name} must be the name of a file (str or pathlib.Path), not {reprlib.repr(path)}.")


def _is_open_file(path: Path) -> bool:
    """Return whether a path leads to an open file of a process, as /dev/stdout does, following links one by one."""
    for _ in range(40):
        if re.match(r"/dev/(fd|std(in|out|err)$)|/proc/[^/]+/fd/", str(path)):
            return True
        try:
            path = path.parent / os.readlink(path)
        except OSError:
            return False
    return False


def resolved(target: Path) -> Path:
    """Return the file that a path leads to, whether it exists or not."""
    return Path(os.path.realpath(target))


def safe_name(value: object) -> str:
    """Return a text that can be part of the name of a file: another one for each value."""
    text = str(value)
    name = re.sub(r"[^\w.-]|^\.", "_", text)
    if name == text and len(name.encode()) <= NAME_LIMIT:
        return name
    short = name.encode()[: NAME_LIMIT - 9].decode("utf-8", "ignore")
    return f"{short}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
