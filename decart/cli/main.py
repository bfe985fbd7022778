"""Run a command, and turn whatever ends it into a message and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

from ..errors import DecartSDKError
from .exits import Exit, code_of
from .output import Output
from .parser import build_parser
from .service import command_to_resume


class Terminated(BaseException):
    """The process got SIGTERM."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of a command line, by default that of the process; return the exit code."""
    arguments = build_parser().parse_args(argv)
    output = Output.of(arguments)
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, _terminate)
    try:
        code: int = arguments.run(arguments, output)
        return code
    except (KeyboardInterrupt, Terminated) as error:
        code = Exit.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Exit.TERMINATED
        _report(
            error, "Interrupted." if isinstance(error, KeyboardInterrupt) else "Terminated.", arguments, output, code
        )
        return code
    except DecartSDKError as error:
        code = code_of(error)
        _report(error, error.message, arguments, output, code)
        return code
    except BrokenPipeError:  # the program that reads the output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.ERROR
    except OSError as error:
        _report(error, f"{error}", arguments, output, Exit.ERROR)
        return Exit.ERROR


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _report(error: BaseException, message: str, arguments: Namespace, output: Output, code: int) -> None:
    """Say what went wrong, and how to continue."""
    job_id = getattr(error, "job_id", None)
    command = None if job_id is None else command_to_resume(arguments, job_id)
    output.error(message)
    for note in getattr(error, "__notes__", ()):
        output.error(note)
    if command is not None:
        output.error(f"Resume with: {command}")
    if output.as_json:
        facts: dict[str, Any] = {"type": type(error).__name__, "message": message, "job_id": job_id, "resume": command}
        output.result({"error": facts, "exit_code": int(code)}, "")
