"""Which service a command talks to, with which key, and where it records its jobs."""

from __future__ import annotations

import os
import re
import shlex
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidAPIKeyError, InvalidInputError
from ..policies import PollPolicy

if TYPE_CHECKING:
    from ..client import DecartClient

KEY = re.compile(r"(?:dct_|ek_|eyJ)\S*")
"""A key."""

SERVICE = {"base_url": "--base-url", "api_key_file": "--api-key-file", "journal": "--journal"}
"""What a command about a job has in common with the one that submitted it."""


def add_service_options(parser: ArgumentParser, *, emulator: bool = True) -> None:
    """Add the options that say where the service is.

    Args:
        emulator: Whether the command makes sense with an emulator of its own, which ends with it.
    """
    group = parser.add_argument_group("service")
    group.add_argument(
        "--api-key-file",
        metavar="FILE",
        help="read the API key from this file; by default it is in the environment variable DECART_API_KEY",
    )
    group.add_argument(
        "--base-url", metavar="URL", help="where the service is (default: DECART_BASE_URL, or https://api.decart.ai)"
    )
    group.add_argument(
        "--allow-http", action="store_true", help="accept an http:// URL outside of private networks: the key is sent "
        "unencrypted",
    )  # fmt: skip
    group.add_argument(
        "--journal",
        type=_file,
        metavar="FILE",
        default=os.environ.get("DECART_JOURNAL") or None,
        help="record submitted jobs in this file, so that none is lost or paid for twice (default: DECART_JOURNAL)",
    )
    if emulator:
        group.add_argument(
            "--emulator",
            action="store_true",
            help="start an emulator and use it: no key is needed and nothing is billed, but the pictures are "
            "placeholders (extra: emulator)",
        )


def _file(text: str) -> str:
    """Return the name of the file of a journal; one that is no such name may have a password, and is not shown."""
    if "://" in text:
        raise ArgumentTypeError("the journal is a URL, and the command line reads files only (also in DECART_JOURNAL)")
    return text


def add_wait_options(parser: ArgumentParser) -> None:
    """Add the options of a wait."""
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=PollPolicy().timeout,
        metavar="SECONDS",
        help="the longest wait for a job, or 'none'; the job continues after it (default: 600)",
    )


def _seconds(text: str) -> float | None:
    """Read a number of seconds; ``none`` is no limit."""
    if text.lower() == "none":
        return None
    try:
        return PollPolicy(timeout=float(text)).timeout
    except ValueError:  # of float, or of the policy
        raise ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more, or 'none'") from None


def poll_policy(arguments: Namespace) -> PollPolicy | None:
    """Return the policy of a wait, or ``None`` for that of the client, which learns its pace."""
    default = PollPolicy()
    return None if arguments.timeout == default.timeout else PollPolicy(timeout=arguments.timeout)


@contextmanager
def client_of(arguments: Namespace, **more: Any) -> Iterator[DecartClient]:
    """Yield the client that the command line asks for.

    Args:
        more: Further arguments of the client.

    Raises:
        InvalidAPIKeyError: There is no key, or the file that has it cannot be read.
    """
    from ..client import DecartClient  # --help needs no HTTP library

    settings: dict[str, Any] = {
        "api_key": read_key(arguments.api_key_file),
        "base_url": arguments.base_url,
        "allow_http": arguments.allow_http,
        "journal": arguments.journal,
        "integration": "decart-cli",
    }
    if not getattr(arguments, "emulator", False):
        with DecartClient(**settings, **more) as client:
            yield client
        return
    if arguments.base_url or arguments.api_key_file:
        raise InvalidInputError("--emulator starts a service of its own: leave --base-url and --api-key-file out.")
    from ..emulator import EmulatorServer  # needs the extra

    with EmulatorServer() as server:
        settings |= {"api_key": "dct_local", "base_url": server.url}
        with DecartClient(**settings, **more) as client:
            yield client


def read_key(file: str | None) -> str | None:
    """Return the key in a file; ``None`` for that of the environment.

    Raises:
        InvalidAPIKeyError: The file cannot be read.
    """
    if file is None:
        return None
    try:
        return Path(file).read_text("utf-8-sig")  # editors on Windows begin a file with a mark
    except (OSError, ValueError) as error:
        if KEY.match(file):
            raise InvalidAPIKeyError(
                "--api-key-file must be the name of a file that has the key, not the key."
            ) from None
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InvalidAPIKeyError(f"--api-key-file: {file} cannot be read: {reason}.") from None


def check_journal(arguments: Namespace) -> None:
    """Refuse to work without a journal, or to create an empty one.

    Raises:
        InvalidInputError: It is not named, or does not exist.
    """
    if not arguments.journal:
        raise InvalidInputError("Name the journal, with --journal FILE or in the environment variable DECART_JOURNAL.")
    if not Path(arguments.journal).exists():
        raise InvalidInputError(f"There is no journal {arguments.journal}.")


def command_to_resume(arguments: Namespace, job_id: str) -> str | None:
    """Return the command that waits for a job that this one has submitted, if there can be one."""
    if getattr(arguments, "emulator", False):
        return None  # it has ended with the command
    return f"decart wait {quoted(job_id)}{typed(arguments, {'output': '-o'} | SERVICE)}"


def typed(arguments: Namespace, options: Mapping[str, str] = SERVICE) -> str:
    """Return the options that a command about the same job needs, as they are typed in a shell after it.

    Args:
        options: Them, by the names of their values.
    """
    words: list[str] = []
    for name, option in options.items():
        value = getattr(arguments, name, None)
        if isinstance(value, str):  # a journal in memory ends with the command
            is_option = value.startswith("-") and value != "-"  # it would be taken for one
            words += [f"{'--output' if option == '-o' else option}={value}"] if is_option else [option, value]
    words += ["--allow-http"] if getattr(arguments, "allow_http", False) else []
    return "".join(f" {quoted(word)}" for word in words)


def quoted(word: str) -> str:
    r"""Return a word as it is typed in a shell.

    Example:
        >>> print(quoted("a b.mp4"), quoted("caf\udce9.mp4"))
        'a b.mp4' $'caf\xe9.mp4'
    """
    if any("\udc80" <= character <= "\udcff" for character in word):  # bytes that are not text
        escaped = (f"\\x{byte:02x}" if byte > 126 or byte in b"\\'" else chr(byte) for byte in os.fsencode(word))
        return f"$'{''.join(escaped)}'"
    from subprocess import list2cmdline  # --help needs none

    return list2cmdline([word]) if os.name == "nt" else shlex.quote(word)
