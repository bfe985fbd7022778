"""The parser of the command line, with all commands."""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter

from .._version import __version__
from . import batch, completion, doctor, emulate, image, journal, modelslist, token, verify, video
from .commands import Parser
from .exits import described

DESCRIPTION = """\
Generate videos with a hosted model: submit a job, wait for it, get an MP4. A job costs money and takes minutes."""

EXAMPLES = """\
examples:
  decart run --emulator -m lucy-pro-t2v -p "A lake at sunset" -o lake.mp4
      makes a placeholder video, without a key and without spending
  decart run -m lucy-2.5 -p "Make it winter" -i lake.mp4 -o winter.mp4
      needs the key of an account in the environment variable DECART_API_KEY
  decart COMMAND --help
      has the options of a command

"""


def build_parser() -> ArgumentParser:
    """Return the parser."""
    parser = Parser(
        prog="decart",
        description=DESCRIPTION,
        epilog=EXAMPLES + described(),
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(program=parser)
    parser.add_argument("--version", action="version", version=f"decart-queue {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (video, image, batch, journal, modelslist, token, verify, doctor, emulate, completion):
        module.add_commands(commands)
    return parser
