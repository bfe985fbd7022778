"""The command ``doctor``: why does it not work?"""

from __future__ import annotations

import math
from argparse import ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

import attrs

from .commands import Commands, new_command
from .exits import Exit
from .output import Output
from .service import add_service_options

if TYPE_CHECKING:
    from .checks import Check

DETAILS = """\
It checks the installation, the key, the proxy, the connection to the service, the clock and the journal. Each line is
ok, a problem (with what to do about it) or skipped. It costs nothing, and prints at most the end of the key. The exit
code is 4 if the key is missing or refused, 1 if there is another problem, and 0 if there is none."""


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = new_command(commands, "doctor", examine, "Check the installation, the key and the connection", DETAILS)
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="the longest time for a request (default: 5); all of it ends after about twice as long",
    )
    add_service_options(parser, emulator=False)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def examine(arguments: Namespace, output: Output) -> int:
    """Make all checks, and print what they found."""
    from . import checks  # --help needs neither this, which reads the metadata of packages,
    from .reachability import Target, network_checks  # nor the HTTP libraries

    key_check, key = checks.key(arguments.api_key_file)
    target = Target(
        base_url=arguments.base_url,
        allow_http=arguments.allow_http,
        has_key=key is not None,
        api_key=key if arguments.api_key_file else None,
        timeout=arguments.timeout,
    )
    found = [
        *checks.installation(),
        key_check,
        *network_checks(target),
        checks.journal(arguments.journal),
        checks.terminal(),
    ]
    code = max(check.code for check in found)
    documents = [attrs.asdict(check, filter=attrs.filters.exclude("code")) for check in found]
    output.result({"checks": documents, "exit_code": int(code)}, "\n".join(map(_line, found)))
    return Exit(code)


def _line(check: Check) -> str:
    """Return what a check has found as a line for people."""
    text = f"{check.text.removesuffix('.')}. {check.advice}" if check.advice else check.text
    return f"{check.state:8} {check.name}: {text}"
