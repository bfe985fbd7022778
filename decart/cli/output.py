"""What a command prints: its result on standard output, everything else on standard error."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, TextIO

import attrs

from ..errors import InvalidInputError

RED, YELLOW = 31, 33
"""Colors of a terminal."""


def add_output_options(parser: ArgumentParser) -> None:
    """Add the options that decide what is printed."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    group.add_argument("-q", "--quiet", action="store_true", help="print the result and errors only, and no progress")
    group.add_argument(
        "-v", "--verbose", action="count", default=0, help="log what happens on standard error; -vv: every request, too"
    )


@attrs.frozen
class Output:
    """Prints what a command has to say.

    Attributes:
        as_json: Whether results are JSON, a document on one line each.
        is_quiet: Whether only results and errors are printed.
    """

    as_json: bool = False
    is_quiet: bool = False

    @classmethod
    def of(cls, arguments: Namespace) -> Output:
        """Return the output that the command line asks for, and have log records and warnings printed, too."""
        level = {0: logging.ERROR, 1: logging.INFO}.get(arguments.verbose, logging.DEBUG)
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
        logging.getLogger("decart").setLevel(level)
        output = cls(as_json=arguments.json, is_quiet=arguments.quiet)
        warnings.showwarning = lambda message, *_: output.warn(f"{message}")
        return output

    def result(self, document: Mapping[str, Any] | Sequence[Mapping[str, Any]], text: str) -> None:
        """Print a result, for programs or for people."""
        print(json.dumps(document) if self.as_json else text, flush=True)

    def data(self, content: bytes) -> None:
        """Write a file to standard output.

        Raises:
            InvalidInputError: It is a terminal, or JSON is asked for.
        """
        self.check_data()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()

    def check_data(self) -> None:
        """Refuse to write a file to a terminal, or beside JSON.

        Raises:
            InvalidInputError: Standard output cannot take a file.
        """
        if self.as_json or sys.stdout.isatty():
            what = "used with --json" if self.as_json else "a terminal"
            raise InvalidInputError(f"-o -: standard output cannot be {what}; name a file, or pipe it to a program.")

    def note(self, text: str) -> None:
        """Tell people what happens, unless they want to hear of errors only."""
        if not self.is_quiet:
            _say(text)

    def warn(self, text: str) -> None:
        """Tell people what they should look at, unless they want to hear of errors only."""
        if not self.is_quiet:
            _say(f"{_colored('decart: warning:', YELLOW)} {text}")

    def error(self, text: str) -> None:
        """Tell people what went wrong."""
        _say(f"{_colored('decart: error:', RED)} {text}")

    @property
    def shows_bars(self) -> bool:
        """Whether progress bars are wanted, and can be shown."""
        return not self.is_quiet and _is_terminal(sys.stderr) and find_spec("tqdm") is not None


def _say(text: str) -> None:
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _colored(text: str, color: int) -> str:
    """Return a text in a color, on a terminal that has any, unless the user asks for none (``NO_COLOR``)."""
    if not _is_terminal(sys.stderr) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{color}m{text}\x1b[0m"
