"""The command ``completion``: a script with which a shell completes commands, options, models and files."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from ..extras import require
from ..models import TASKS
from .commands import Commands, new_command
from .exits import Exit
from .modelslist import catalogue
from .output import Output

SHELLS = ("bash", "zsh", "tcsh", "fish")

DETAILS = """\
To use it from the next shell on, create the folder if there is none, and run:
  bash    decart completion bash > ~/.local/share/bash-completion/completions/decart
  zsh     decart completion zsh > ~/.zfunc/_decart     (a folder of $fpath)
  fish    decart completion fish > ~/.config/fish/completions/decart.fish
  tcsh    decart completion tcsh > ~/.decart.tcsh      (then: source ~/.decart.tcsh, in ~/.tcshrc)
In bash, this needs the package bash-completion; without it, write the script to another file, and source that in
~/.bashrc.
It needs the extra cli: pip install 'decart-queue[cli]'."""


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = new_command(
        commands, "completion", print_script, "Print a script with which a shell completes commands", DETAILS
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")


def print_script(arguments: Namespace, output: Output) -> int:
    """Print the script of a shell.

    Raises:
        MissingExtraError: shtab, which writes it, is not installed.
    """
    require("cli", "shtab")
    import shtab  # an extra

    program: ArgumentParser = arguments.program
    for parser in _parsers_of(program):
        tasks = next((action.choices for action in parser._actions if action.dest == "task"), None) or TASKS
        for action in parser._actions:
            if action.metavar == "FILE":
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.metavar == "FOLDER":
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif action.metavar == "NAME" and (action.dest == "model" or not action.option_strings):
                action.choices = [model.name for model in catalogue() if model.task in tasks]
    script = shtab.complete(program, arguments.shell)
    output.result({"shell": arguments.shell, "script": script}, script.rstrip("\n"))
    return Exit.DONE


def _parsers_of(parser: ArgumentParser) -> Iterator[ArgumentParser]:
    """Yield a parser and those of its commands; argparse has no public list of the arguments of a parser."""
    yield parser
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for command in action.choices.values():
                yield from _parsers_of(command)
