"""The command ``image``."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import TYPE_CHECKING

from .commands import Commands, new_command
from .exits import Exit
from .inputs import add_job_options, options_of
from .output import Output
from .preview import add_dry_run_option, show_request
from .progress import JobProgress
from .service import add_service_options, client_of
from .target import add_target_option, target_of

if TYPE_CHECKING:
    from ..images import ImageResult


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = new_command(commands, "image", make_image, "Make an image, and save it")
    add_job_options(parser, "image")
    add_target_option(parser, "the image")
    add_dry_run_option(parser)
    add_service_options(parser)


def make_image(arguments: Namespace, output: Output) -> int:
    """Make an image, and save it."""
    options = options_of(arguments, "image", output)
    if arguments.dry_run:
        return show_request(options, "image", arguments, output)
    from ..images import ImageResult, SavedImage  # --help needs no HTTP library

    target, image = target_of(arguments, output), None
    try:
        with JobProgress(arguments, output) as progress, client_of(arguments) as client:
            image = client.process(options, save_to=target, progress=progress.callback)
        if isinstance(image, SavedImage):
            output.result({"path": str(image.path), "model": image.model}, str(image.path))
        else:
            output.data([image.data])
    except BaseException as error:
        unsaved = getattr(error, "image", image)
        if isinstance(unsaved, ImageResult):  # it was paid for, and cannot be fetched again
            error.add_note(f"The image is in {_save_elsewhere(unsaved)}.")
        raise
    return Exit.DONE


def _save_elsewhere(image: ImageResult) -> str:
    """Save an image in the folder for temporary files, and return its path."""
    import tempfile  # --help needs none of this
    from mimetypes import guess_extension

    handle, path = tempfile.mkstemp(prefix="decart-", suffix=guess_extension(image.content_type) or "")
    with os.fdopen(handle, "wb") as file:
        file.write(image.data)
    return path
