"""``decart-emulator``, or ``python -m decart.emulator``: the emulator from the command line."""

from __future__ import annotations

import argparse
import errno
import logging
import math
import signal
import sys
import time
from typing import NoReturn, cast

from ..errors import InvalidInputError, MissingExtraError
from ..models import ModelDefinition, Task
from .faults import Fault, described, fault_of
from .guard import is_loopback

DESCRIPTION = """\
A local emulator of the service's queue. It makes real MP4 files, but they are placeholders for development: no model
runs, and nothing is billed."""

ROUTES = """\
routes (with the header X-API-KEY: dct_..., except where it says "no key"):
  POST /v1/jobs/{model}             submit a job: a form with prompt, data, seed, resolution, ...
  GET  /v1/jobs/{job_id}            its status: pending, processing, completed or failed
  GET  /v1/jobs/{job_id}/content    its file, or a range of it (Range, If-Range)
  POST /v1/generate/{image model}   an image (PNG), in the response
  POST /v1/files                    upload a file; GET and DELETE /v1/files/{file_id}
  POST /v1/client/tokens            create a short-lived key, also as a signed token
  POST /v1/models/resolve           the canonical names of models; no key
  POST /v1/verify                   whether a file was made by an emulator
  GET  /api/auth/jwks               the key that verifies signed tokens; no key

routes about the emulator (no key):
  GET  /                            a page with commands to copy
  GET  /healthz                     {"status": "ok"}

control routes, which the service does not have (no key; web pages of other origins are refused):
  GET    /_emulator/faults          the pending faults
  POST   /_emulator/faults          add faults, as JSON: "drop-after", {"name": "status", "code": 503}, or a list
  DELETE /_emulator/faults          remove them
  GET    /_emulator/requests        the request log; ?route=submit filters it
  DELETE /_emulator/requests        clear it
"""

FAULTS = """\
faults, as NAME[:VALUE][,KEY=VALUE]...; besides its own parameters, each takes on= (submit, status, content, generate,
files, tokens or any), times= (a number, or forever) and after= (how many requests to ignore first):
"""

EXAMPLES = """\
examples:
  decart-emulator --port 8787
      and in another terminal:
      DECART_BASE_URL=http://127.0.0.1:8787 DECART_API_KEY=dct_local python your_program.py
  decart-emulator --fault status:503,on=submit,times=2,retry_after=1 --fault drop-midway
      refuses two submits, and drops the connection halfway through the first download
  decart-emulator --layout end --fps 24 --model lucy-preview=video-edit
      makes files like those of the service, and knows a model that is not in the catalogue
"""


class _Parser(argparse.ArgumentParser):
    """A parser that prints an error as one line that points to --help."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    grammar = _Parser(
        prog="decart-emulator",
        usage="%(prog)s [OPTION]...",
        description=DESCRIPTION,
        epilog="\n".join([ROUTES, FAULTS + described(), "", EXAMPLES]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = grammar.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)")
    add("--port", type=_port, default=8787, help="port; 0 picks a free one and prints it (default: 8787)")
    add("--pending", type=_seconds, default=1.0, metavar="SECONDS", help="how long a job is pending (default: 1)")
    add(
        "--processing", type=_seconds, default=3.0, metavar="SECONDS", help="how long it is then processed (default: 3)"
    )
    add("--api-key", action="append", metavar="KEY", help="accept this key; repeatable (default: any dct_... key)")
    add("--today", action="store_true", help="refuse models that the service has retired, with 410")
    add(
        "--model",
        type=_model,
        action="append",
        default=[],
        metavar="NAME=TASK",
        help="add a model, such as lucy-preview=video-edit; repeatable",
    )
    add("--layout", choices=("start", "end"), default="start", help="where MP4 files have their index (default: start)")
    add("--fps", type=_fps, help="frame rate of videos made from text and images (default: the model's)")
    add("--fault", type=_fault, action="append", default=[], help="inject a fault, see below; repeatable")
    add("--quiet", action="store_true", help="do not print a line for each request")
    return grammar


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; use a number up to 65535, or 0 for any free port")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; use a number of seconds, 0 or more")
    return seconds


def _fps(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 120):
        raise argparse.ArgumentTypeError(f"{text!r} is not a frame rate; use a number from 1 to 120")
    return int(text)


def _model(text: str) -> ModelDefinition:
    name, _, task = text.partition("=")
    try:
        return ModelDefinition(name=name, task=cast(Task, task))
    except InvalidInputError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=TASK: {error.message}") from None


def _fault(text: str) -> Fault:
    try:
        return fault_of(text)
    except InvalidInputError as error:
        raise argparse.ArgumentTypeError(error.message) from None


def main(arguments: list[str] | None = None) -> int:
    """Run the server until Ctrl-C or SIGTERM; return the exit status."""
    options = parser().parse_args(arguments)
    try:
        from . import EmulatorServer  # noqa: F401 - needs the extra
    except MissingExtraError as missing:
        print(missing, file=sys.stderr)
        return 2
    level = logging.WARNING if options.quiet else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _serve(options)
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
        return 0


def _serve(options: argparse.Namespace) -> int:
    """Run the server until it is interrupted; return the exit status if it cannot start."""
    from . import Emulator, EmulatorServer

    with Emulator(
        pending=options.pending,
        processing=options.processing,
        api_keys=options.api_key,
        models=options.model,
        today=options.today,
        faults=options.fault,
        layout=options.layout,
        fps=options.fps,
    ) as emulator:
        try:
            server = EmulatorServer(emulator, host=options.host, port=options.port)
        except (OSError, UnicodeError) as error:
            print(_cannot_listen(options.host, options.port, str(error)), file=sys.stderr)
            return 1
        with server:
            print(f"The decart emulator (placeholder media, no model) is listening on {server.url}", flush=True)
            if not is_loopback(options.host):
                print("It can be reached from other machines, protected only by the check of the key.", flush=True)
            while True:  # until Ctrl-C; a signal that another thread receives does not end a sleep
                time.sleep(0.5)


def _cannot_listen(host: str, port: int, reason: str) -> str:
    """Return why the server cannot start; cheroot keeps only the text of the error number."""
    if any(f"{kind} {number}]" in reason for kind, number in (("Errno", errno.EADDRINUSE), ("WinError", 10048))):
        return f"Port {port} is in use; choose another with --port, or use --port 0 for any free one."
    number, _, text = reason.rpartition("] ")
    detail = text.removesuffix(")") if number else reason
    return f"Cannot listen on {host}:{port} ({detail}); check --host and --port."


if __name__ == "__main__":
    sys.exit(main())
