"""What all commands have in common: how they are added to the parser."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import Any, Protocol

from .exits import described
from .output import Output, add_output_options

Run = Callable[[Namespace, Output], int]
"""Runs a command, and returns its exit code."""


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
