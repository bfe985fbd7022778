"""Run a command, and turn whatever ends it into a message and an exit code."""

from __future__ import annotations

import signal
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from ..errors import DecartSDKError, JobFailedError, NotFoundError
from .exits import Exit, code_of
from .output import Output, OutputError
from .parser import build_parser
from .service import command_to_resume
from .wording import in_commands


class Terminated(BaseException):
    """The process got SIGTERM."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of a command line, by default that of the process; return the exit code.

    It is called in the main thread of a process.
    """
    arguments, unknown = build_parser().parse_known_args(argv)
    if unknown:  # argparse would show the usage of the program
        arguments.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    with Output.of(arguments) as output, _terminable():
        try:
            code: int = arguments.run(arguments, output)
            return code
        except (KeyboardInterrupt, Terminated) as error:
            return _report_interrupt(error, arguments, output)
        except OutputError as error:
            if error.closed and error.job_id is None and not hasattr(error, "__notes__"):  # `decart models | head`
                return Exit.ERROR
            return _report(error, error.message, arguments, output, Exit.ERROR)
        except DecartSDKError as error:
            return _report(error, error.message, arguments, output, code_of(error))
        except OSError as error:
            message = f"{error.filename}: {error.strerror}." if error.filename and error.strerror else f"{error}"
            return _report(error, message, arguments, output, Exit.ERROR)


@contextmanager
def _terminable() -> Iterator[None]:
    """Have SIGTERM end the command as Ctrl-C does."""
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _report_interrupt(error: BaseException, arguments: Namespace, output: Output) -> int:
    """Say that the command was interrupted, and what that means for its job."""
    message, code = "Interrupted.", Exit.INTERRUPTED
    if isinstance(error, Terminated):
        message, code = "Terminated.", Exit.TERMINATED
    job_id, notes = getattr(error, "job_id", None), getattr(error, "__notes__", ())
    known = getattr(arguments, "job", None)
    if job_id is None and known is not None:  # it came between two calls
        error.job_id = known  # type: ignore[attr-defined]
    elif hasattr(arguments, "again") and job_id is None and not notes:
        message = message.replace(".", ", before a job was submitted.")
    return _report(error, message, arguments, output, code)


def _report(error: BaseException, message: str, arguments: Namespace, output: Output, code: int) -> int:
    """Say what went wrong and how to continue, and return the exit code."""
    notes = [*getattr(error, "__notes__", ())]
    job_id, command = getattr(error, "job_id", None), None
    if job_id is not None and not isinstance(error, JobFailedError) and not _is_missing(error):
        command = command_to_resume(arguments, job_id)
        notes += [] if command else ["The emulator has ended, and the job with it; nothing was billed."]
    output.error(message)
    for note in notes:
        output.say(note)
    if command is not None:
        output.say(f"Resume with: {command}")
    if output.as_json:
        said = in_commands(" ".join([message, *notes]))
        facts: dict[str, Any] = {"type": type(error).__name__, "message": said, "job_id": job_id, "resume": command}
        output.result({"error": facts, "exit_code": int(code)}, "")
    return code


def _is_missing(error: BaseException) -> bool:
    """Return whether the service says that there is no such job."""
    return isinstance(error, DecartSDKError) and isinstance(error.cause, NotFoundError)
