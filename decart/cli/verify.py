"""The command ``verify``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import attrs

from .commands import Commands, new_command
from .exits import Exit
from .inputs import stdin
from .output import Output
from .service import add_service_options, client_of

DETAILS = """\
"not detected" says that the watermark was not found, and nothing about who made the file: heavy editing may remove it.
The exit code is 0 whatever was found."""


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = new_command(
        commands, "verify", verify_file, "Check whether a video or image has the service's watermark", DETAILS
    )
    parser.add_argument("file", metavar="FILE", help="the video or image; - reads standard input")
    add_service_options(parser, emulator=False)


def verify_file(arguments: Namespace, output: Output) -> int:
    """Check whether a file has the service's watermark."""
    file = ("stdin", stdin().read()) if arguments.file == "-" else Path(arguments.file)
    with client_of(arguments) as client:
        found = client.verify(file, progress=output.shows_bars)
    verdict = {True: "detected", False: "not detected", None: "the service does not say"}[found.detected]
    confidence = "" if found.confidence is None else f" (confidence: {found.confidence:g})"
    output.result(attrs.asdict(found), verdict + confidence)
    return Exit.DONE
