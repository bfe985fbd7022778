"""What a command prints: its result on standard output, everything else on standard error."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from io import StringIO
from typing import Any, TextIO

import attrs

from ..errors import DecartSDKError, InvalidInputError
from .service import typed
from .wording import in_commands

RED, YELLOW = 31, 33
"""Colors of a terminal."""


class OutputError(DecartSDKError):
    """Standard output cannot be written to.

    Attributes:
        closed: Whether the program that reads it has ended.
    """

    closed = False


def add_output_options(parser: ArgumentParser) -> None:
    """Add the options that decide what is printed."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print the result, or the error, as JSON on standard output")
    group.add_argument("-q", "--quiet", action="store_true", help="print the result and errors only, and no progress")
    group.add_argument(
        "-v", "--verbose", action="count", default=0, help="log what happens, and no bar; -vv: every request, too"
    )


@attrs.frozen
class Output:
    """Prints what a command has to say.

    Attributes:
        as_json: Whether results are JSON, a document on one line each.
        is_quiet: Whether only results and errors are printed.
        is_verbose: Whether the log is printed.
        arguments: Those of the command: other commands about its jobs need some of them, too.
    """

    as_json: bool = False
    is_quiet: bool = False
    is_verbose: bool = False
    arguments: Namespace = Namespace()

    @classmethod
    @contextmanager
    def of(cls, arguments: Namespace) -> Iterator[Output]:
        """Yield the output that the command line asks for; meanwhile, it prints log records and warnings, too."""
        output = cls(arguments.json, arguments.quiet, arguments.verbose > 0, arguments)
        handler, log = _LogHandler(output), logging.getLogger("decart")
        handler.setLevel(logging.ERROR if output.is_quiet and not output.is_verbose else logging.NOTSET)
        level = log.level
        log.setLevel({0: logging.ERROR, 1: logging.INFO}.get(arguments.verbose, logging.DEBUG))
        logging.getLogger().addHandler(handler)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("default", module=r"decart\.")
                warnings.showwarning = lambda message, *_: output.warn(f"{message}")
                yield output
        finally:
            logging.getLogger().removeHandler(handler)
            log.setLevel(level)

    def result(
        self,
        document: Mapping[str, Any] | Sequence[Any],
        text: str,
        *,
        job_id: str | None = None,
        is_secret: bool = False,
    ) -> None:
        """Print a result, for programs or for people.

        Args:
            job_id: The job that the result is about; it is named if the result cannot be printed.
            is_secret: Whether it must not appear on standard error, which may be a log.

        Raises:
            OutputError: Standard output cannot be written to.
        """
        line = json.dumps(document) if self.as_json else text
        if sys.stdout is None:  # it was closed, or there is none (pythonw)
            self.say("Standard output is closed, so the result is not printed: it is a secret." if is_secret else line)
            return
        try:
            sys.stdout.write(_encodable(f"{line}\n", sys.stdout))
            sys.stdout.flush()
        except OSError as error:
            raise _failed(error, "" if is_secret else f"; the result is: {line}", job_id) from None

    def data(self, content: Iterable[bytes], *, job_id: str | None = None) -> None:
        """Write a file to standard output, which `check_data` has approved of.

        Raises:
            OutputError: Standard output cannot be written to.
        """
        for chunk in content:
            rest = memoryview(chunk)
            try:
                while rest:  # with PYTHONUNBUFFERED, the file takes what it can
                    rest = rest[sys.stdout.buffer.write(rest) :]
                sys.stdout.buffer.flush()
            except OSError as error:
                raise _failed(error, ", and does not have the complete file", job_id) from None

    def check_data(self) -> None:
        """Refuse to write a file to a terminal, or beside JSON.

        Raises:
            InvalidInputError: Standard output cannot take a file.
        """
        if self.as_json:
            raise InvalidInputError("-o - cannot be used with --json; name a file.")
        if getattr(sys.stdout, "buffer", None) is None or sys.stdout.isatty():
            flaw = "is a terminal" if _is_terminal(sys.stdout) else "is closed"
            raise InvalidInputError(f"-o -: standard output {flaw}; name a file, or pipe it to a program.")

    def note(self, text: str) -> None:
        """Tell people what happens, unless they want to hear of errors only."""
        if not self.is_quiet:
            self.say(text)

    def warn(self, text: str) -> None:
        """Tell people what they should look at, unless they want to hear of errors only."""
        if not self.is_quiet:
            self.say(f"{_colored('decart: warning:', YELLOW)} {self.worded(text)}")

    def error(self, text: str) -> None:
        """Tell people what went wrong."""
        self.say(f"{_colored('decart: error:', RED)} {self.worded(text)}")

    def say(self, text: str) -> None:
        """Tell people something that they need to know, even if they want to hear of errors only.

        If standard error cannot be written to, nothing more is said: a paid job matters more.
        """
        if sys.stderr is None:
            return
        line = _encodable(self.worded(text), sys.stderr)
        if self.shows_bars:  # there may be one on this line
            from shutil import get_terminal_size  # --help needs no bar

            line = f"\r{'':{get_terminal_size().columns - 1}}\r{line}"
        try:
            sys.stderr.write(f"{line}\n")  # at once: print would write the end of the line after an interrupt, or never
            sys.stderr.flush()
        except OSError:
            sys.stderr = StringIO()  # Python would try to flush the other one at its end

    def worded(self, text: str) -> str:
        """Return a message of the library in the words of the command line."""
        return in_commands(text, typed(self.arguments))

    @property
    def shows_bars(self) -> bool:
        """Whether progress bars are wanted, and can be shown."""
        wanted = not self.is_quiet and not self.is_verbose and os.environ.get("TERM") != "dumb"
        return wanted and _is_terminal(sys.stderr) and find_spec("tqdm") is not None


class _LogHandler(logging.Handler):
    """Prints log records, with the time."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.say(self.format(record))


def _failed(error: OSError, consequence: str, job_id: str | None) -> OutputError:
    """Return the error for standard output that cannot be written to, which is given up."""
    sys.stdout = StringIO()
    failed = OutputError(f"Standard output cannot be written to ({error.strerror}){consequence}.", job_id=job_id)
    failed.closed = isinstance(error, BrokenPipeError)
    return failed


def _encodable(text: str, stream: TextIO) -> str:
    """Return a text that a stream can encode: the name of a file may be any bytes."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _colored(text: str, color: int) -> str:
    """Return a text in a color, on a terminal that has any, unless the user asks for none (``NO_COLOR``)."""
    if not _is_terminal(sys.stderr) or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{color}m{text}\x1b[0m"
