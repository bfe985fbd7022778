"""Run a command, and turn whatever ends it into a message and an exit code."""

from __future__ import annotations

import re
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from ..errors import DecartSDKError, JobFailedError, NotFoundError
from ..journal.errors import LabelConflictError
from .commands import UsageError
from .exits import Exit, code_of
from .output import Output, OutputError
from .parser import build_parser
from .service import KEY, command_to_resume, quoted
from .signals import NUMBERS, once


class Terminated(BaseException):
    """The process got SIGTERM."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of a command line, by default that of the process; return the exit code.

    It is called in the main thread of a process.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        arguments = _parsed(argv)
    except UsageError as error:
        _report_usage(error, argv, Output(as_json="--json" in argv))
        raise SystemExit(Exit.USAGE) from None
    with Output.of(arguments) as output, _ended_by_signals():
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


def _parsed(argv: Sequence[str]) -> Namespace:
    """Read the command line.

    Raises:
        UsageError: It cannot be used.
    """
    arguments, unknown = build_parser().parse_known_args(argv)
    if unknown:  # argparse would show the usage of the program
        arguments.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return arguments


def _report_usage(error: UsageError, argv: Sequence[str], output: Output) -> None:
    """Say what is wrong with the command line, which may have a key in it by mistake."""
    complete = f"{error}{_hint(error, argv)}"
    message = KEY.sub("***", re.sub(r"(--api[-_]?key[ =])\S+", r"\1***", complete))
    if message != complete:
        message += " (the API key is never an argument, which others can see: use DECART_API_KEY or --api-key-file)"
    output.say(f"{error.parser.format_usage()}{error.parser.prog}: error: {message}")
    if output.as_json:
        _print_error("UsageError", message, None, None, Exit.USAGE, output)


def _hint(error: UsageError, argv: Sequence[str]) -> str:
    """Say how to write a value that begins with ``-``, if one was taken for an option."""
    options = re.findall(r"(?<![\w-])--?\w[\w-]*", error.parser.format_help())
    taken = [
        word for word in argv if word.startswith("-") and word.strip("-") and word.partition("=")[0] not in options
    ]
    if not taken:
        return ""
    value = quoted(taken[0])
    if option := re.fullmatch(r"argument (?:-\w/)?(--[\w-]+): expected one argument", f"{error}"):
        return f" (one that begins with - is written {option[1]}={value})"
    if re.search(r"arguments are required: [A-Z]+$", f"{error}"):
        return f" (one that begins with - is written at the end: {error.parser.prog} ... -- {value})"
    return ""


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Have SIGTERM end the command as Ctrl-C does, unless they are ignored."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    handler = once(_end)
    for number in NUMBERS:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number in NUMBERS:
            signal.signal(number, before[number])


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


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
    if job_id is not None and not isinstance(error, (JobFailedError, LabelConflictError)) and not _is_missing(error):
        command = command_to_resume(arguments, job_id)
        notes += [] if command else ["The emulator has ended, and the job with it; nothing was billed."]
    output.error(message)
    for note in notes:
        output.say(note)
    if command is not None:
        output.say(f"Resume with: {command}")
    if output.as_json:
        said = output.worded(" ".join([message, *notes]))
        _print_error(type(error).__name__, said, job_id, command, code, output)
    return code


def _print_error(name: str, message: str, job_id: str | None, command: str | None, code: int, output: Output) -> None:
    """Print an error as JSON; if standard output cannot be written to, standard error has it, too."""
    facts = {"type": name, "message": message, "job_id": job_id, "resume": command}
    with suppress(OutputError):
        output.result({"error": facts, "exit_code": int(code)}, "")


def _is_missing(error: BaseException) -> bool:
    """Return whether the service says that there is no such job."""
    return isinstance(error, DecartSDKError) and isinstance(error.cause, NotFoundError)
