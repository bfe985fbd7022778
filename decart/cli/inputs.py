"""The inputs of a job, from the command line: every option of every task is one of the command."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

from .. import models
from ..errors import InvalidInputError, ModelNotFoundError
from ..models import IMAGE_TASKS, ModelDefinition, Resolution, Task
from .output import Output
from .wording import option

FILES = ("data", "start", "end", "reference_image")
"""The inputs that are files."""

TEXTS = ("prompt", "trajectory")
"""The inputs that are texts."""

Kind = Literal["video", "image"]


def add_model_option(parser: ArgumentParser, kind: Kind) -> None:
    """Add the options that say which model makes it."""
    tasks = [task for task in get_args(Task) if (task in IMAGE_TASKS) == (kind == "image")]
    parser.add_argument("-m", "--model", required=True, metavar="NAME", help="the model: see `decart models`")
    parser.add_argument(
        "--task",
        choices=tasks,
        metavar="TASK",
        help=f"the task of a model that is too new for this version: {', '.join(tasks)}",
    )


def add_job_options(parser: ArgumentParser, kind: Kind) -> None:
    """Add an option for every input that any model of this kind takes."""
    add_model_option(parser, kind)
    group = parser.add_argument_group("inputs", "A model takes some of them, and refuses others before it is sent.")
    add = group.add_argument
    add(
        "-p",
        "--prompt",
        metavar="TEXT",
        help="what it shows; @FILE reads a file, - standard input; begin with @@ for a text that begins with @",
    )
    add("-i", "--input", dest="data", metavar="FILE", help="the video or image to start from; - reads standard input")
    add("--reference-image", metavar="FILE", help="an image whose look to adopt")
    if kind == "video":
        add("--start", metavar="FILE", help="the first image, of a first-last-frame model")
        add("--end", metavar="FILE", help="the last image")
        add(
            "--trajectory",
            metavar="JSON",
            help="""the points of a motion model: '[{"frame": 0, "x": 0.5, "y": 0.5}, ...]'; @FILE reads a file""",
        )
    add("--seed", type=_seed, metavar="NUMBER", help="0 to 4294967295; the same seed gives a similar result")
    add("--resolution", choices=get_args(Resolution), help="the size of the result (default: the service's)")
    add("--orientation", choices=("landscape", "portrait"), help="of a result that is made from text")
    add("--enhance-prompt", action=BooleanOptionalAction, help="let the service elaborate the prompt, or not")
    if kind == "video":
        add(
            "--self-anchor",
            action=BooleanOptionalAction,
            help="let the model anchor on its own first frame, or not (lucy-2.5)",
        )


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None


def model_of(arguments: Namespace, kind: Kind) -> ModelDefinition:
    """Return the model that the command line names.

    Raises:
        ModelNotFoundError: This version does not know it, and --task does not say what it does.
    """
    try:
        return models.video(arguments.model) if kind == "video" else models.image(arguments.model)
    except ModelNotFoundError as error:
        if models.known(arguments.model) is not None:
            raise
        if arguments.task is not None:
            return ModelDefinition(name=arguments.model, task=arguments.task)
        error.add_note("If it is new, --task says what it does.")
        raise


def options_of(arguments: Namespace, kind: Kind, output: Output) -> Any:
    """Return the options of a job as a dict, with its texts read, and its files as paths or bytes.

    Raises:
        InvalidInputError: A file cannot be read, or two inputs are to be read from standard input.
    """
    options: dict[str, Any] = {"model": model_of(arguments, kind)}
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    if [*map(given.get, [*FILES, *TEXTS])].count("-") > 1:
        raise InvalidInputError("Standard input can be read for one input only; name files for the others.")
    options |= {name: _file(given[name], output) for name in FILES if name in given}
    options |= {name: read_text(option(name), given[name], output) for name in TEXTS if name in given}
    if "trajectory" in options:
        options["trajectory"] = _points(options["trajectory"])
    plain = ("seed", "resolution", "orientation", "enhance_prompt", "self_anchor")
    return options | {name: given[name] for name in plain if name in given}


def _file(name: str, output: Output) -> Path | tuple[str, bytes]:
    return ("stdin", _stdin(output)) if name == "-" else Path(name)


def _stdin(output: Output) -> bytes:
    """Read standard input to its end."""
    file = stdin()
    if sys.stdin.isatty():
        output.note(f"Reading from the terminal; end it with {'Ctrl-Z and Enter' if os.name == 'nt' else 'Ctrl-D'}.")
    return file.read()


def stdin() -> BinaryIO:
    """Return standard input.

    Raises:
        InvalidInputError: It is closed.
    """
    if sys.stdin is None:
        raise InvalidInputError("Standard input is closed, and cannot be read.")
    return sys.stdin.buffer


def read_text(flag: str, value: str, output: Output) -> str:
    """Return the text that a value of the command line means: itself, standard input, or that of a file.

    Args:
        flag: The option, for messages.

    Raises:
        InvalidInputError: The file cannot be read, or is not text.
    """
    if value.startswith("@@") or not (value == "-" or value.startswith("@")):
        return value.removeprefix("@")
    try:
        content = _stdin(output) if value == "-" else Path(value[1:]).read_bytes()
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise InvalidInputError(f"{flag} {value}: it is not text in UTF-8.") from None
    except OSError as error:
        raise InvalidInputError(f"{flag} {value}: it cannot be read: {error.strerror}.") from None


def _points(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"--trajectory is not JSON: {error}.") from None
