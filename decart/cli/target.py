"""Where a command saves its file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from .output import Output


def add_target_option(parser: ArgumentParser, what: str, *, required: bool = True) -> None:
    """Add the option that names the file.

    Args:
        what: What is saved to it, such as "the video".
    """
    parser.add_argument(
        "-o",
        "--output",
        required=required,
        metavar="FILE",
        help=f"the file to save {what} to, which is replaced; - writes it to standard output",
    )


def target_of(arguments: Namespace, output: Output) -> str | None:
    """Return the file to save to; ``None`` for standard output.

    Raises:
        InvalidInputError: Standard output cannot take a file.
    """
    if arguments.output != "-":
        return str(arguments.output)
    output.check_data()
    return None
