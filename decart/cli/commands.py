"""What all commands have in common: how they are added to the parser."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from .exits import described
from .output import Output, add_output_options

Run = Callable[[Namespace, Output], int]
"""Runs a command, and returns its exit code."""


class UsageError(Exception):
    """The command line cannot be used.

    Attributes:
        parser: The parser that says so.
    """

    def __init__(self, message: str, parser: ArgumentParser) -> None:
        super().__init__(message)
        self.parser = parser


class Parser(ArgumentParser):
    """A parser that raises an error instead of printing it."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise UsageError(message, self)


class Commands(Protocol):
    """What `ArgumentParser.add_subparsers` returns."""

    def add_parser(self, name: str, **options: Any) -> ArgumentParser: ...


def new_command(commands: Commands, name: str, run: Run, summary: str, details: str = "") -> ArgumentParser:
    """Add a command, and return its parser.

    Args:
        run: What the command does.
        summary: A line for the list of commands, without a full stop.
        details: What more its own help says.
    """
    parser = commands.add_parser(
        name,
        help=summary[0].lower() + summary[1:],
        description=f"{summary}." + (f"\n\n{details}" if details else ""),
        epilog=described(),
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, parser=parser)
    add_output_options(parser)
    return parser
