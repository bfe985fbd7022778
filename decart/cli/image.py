"""The command ``image``."""

from __future__ import annotations

from argparse import Namespace

from ..images import SavedImage
from .commands import Commands, new_command
from .exits import Exit
from .inputs import add_job_options, options_of
from .output import Output
from .preview import add_dry_run_option, show_request
from .service import add_service_options, client_of


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = new_command(commands, "image", make_image, "Make an image, and save it")
    add_job_options(parser, "image")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="the file to save the image to, which is replaced; - writes it to standard output",
    )
    add_dry_run_option(parser)
    add_service_options(parser)


def make_image(arguments: Namespace, output: Output) -> int:
    """Make an image, and save it."""
    options = options_of(arguments, "image")
    if arguments.dry_run:
        return show_request(options, "image", arguments, output)
    to_stdout = arguments.output == "-"
    if to_stdout:
        output.check_data()
    with client_of(arguments) as client:
        image = client.process(
            options,
            save_to=None if to_stdout else arguments.output,
            progress=output.shows_bars,
        )
    if isinstance(image, SavedImage):
        output.result({"path": str(image.path)}, str(image.path))
    else:
        output.data(image.data)
    return Exit.DONE
