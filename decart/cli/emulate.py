"""The command ``emulator``, which is also ``python -m decart.emulator``: the emulator from the command line."""

from __future__ import annotations

import errno
import ipaddress
import logging
import math
import signal
import time
from argparse import ArgumentParser, ArgumentTypeError, HelpFormatter, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from ..errors import DecartSDKError, InvalidInputError
from ..models import ModelDefinition, Task
from .commands import Commands, new_command
from .exits import Exit
from .output import Output

if TYPE_CHECKING:
    from ..emulator.faults import Fault

DETAILS = """\
It makes real MP4 files, but they are placeholders for development: no model runs, and nothing is billed. It prints its
address when it is ready, then a line for each request, and stops at Ctrl-C or SIGTERM.
It needs the extra emulator: pip install 'decart-queue[emulator]'."""

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
  POST   /_emulator/faults          add faults, as JSON (with the header Content-Type: application/json):
                                    "drop-after", {"name": "status", "code": 503}, or a list
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
  decart emulator --port 8787
      and in another terminal:
      DECART_BASE_URL=http://127.0.0.1:8787 DECART_API_KEY=dct_local python your_program.py
  decart emulator --fault status:503,on=submit,times=2,retry_after=1 --fault drop-midway
      refuses two submits, which are then sent again, and drops the connection halfway through the first download
  decart emulator --layout service --model lucy-preview=video-edit
      makes files like those of the service, and knows a model that is not in the catalogue
  decart emulator --scenario scenario.toml
      plays a scenario, such as:
        repeat = true
        [[job]]
        pending = 1
        processing = 2
        faults = ["status:503,on=submit"]
        [[job]]
        fails = "the prompt was refused"
"""


def add_commands(commands: Commands) -> None:
    """Add the command of this module."""
    parser = new_command(commands, "emulator", serve, "Run a local emulator of the service", DETAILS)
    parser.usage = "%(prog)s [OPTION]..."  # an error is not lost below a list of all options
    _add_details(parser)
    add = parser.add_argument
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
    add(
        "--layout",
        choices=("start", "end", "service"),
        default="start",
        help="where MP4 files have their index (default: start); service: sizes, rates and lengths like the service's",
    )
    add("--fps", type=_fps, help="frame rate of videos made from text and images (default: the layout's or model's)")
    add("--fault", type=_fault, action="append", default=[], help="inject a fault, see below; repeatable")
    add("--scenario", metavar="FILE", help="play the jobs of this TOML file: their durations and faults, in order")


def _add_details(parser: ArgumentParser) -> None:
    """Have the help end with the routes, the faults and examples. The list of faults is made when it is needed."""
    exit_codes = parser.epilog or ""

    def formatter(prog: str) -> HelpFormatter:
        from ..emulator.faults import described  # no other command needs it

        parser.epilog = "\n".join([ROUTES, FAULTS + described(), "", EXAMPLES, exit_codes])
        return RawDescriptionHelpFormatter(prog)

    parser.formatter_class = formatter


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise ArgumentTypeError(f"{text!r} is not a port; use a number up to 65535, or 0 for any free port")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a duration; use a number of seconds, 0 or more")
    return seconds


def _fps(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 120):
        raise ArgumentTypeError(f"{text!r} is not a frame rate; use a number from 1 to 120")
    return int(text)


def _model(text: str) -> ModelDefinition:
    name, _, task = text.partition("=")
    try:
        return ModelDefinition(name=name, task=cast(Task, task))
    except InvalidInputError as error:
        raise ArgumentTypeError(f"{text!r} is not NAME=TASK: {error.message}") from None


def _fault(text: str) -> Fault:
    from ..emulator.faults import fault_of  # likewise

    try:
        return fault_of(text)
    except InvalidInputError as error:
        raise ArgumentTypeError(error.message) from None


def serve(arguments: Namespace, output: Output) -> int:
    """Run the server until Ctrl-C or SIGTERM.

    Raises:
        DecartSDKError: It cannot listen on this address.
        MissingExtraError: The packages of the extra are not installed.
    """
    from ..emulator import Emulator, EmulatorServer  # needs the extra

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    emulator = Emulator(
        pending=arguments.pending,
        processing=arguments.processing,
        api_keys=arguments.api_key,
        models=arguments.model,
        today=arguments.today,
        faults=arguments.fault,
        scenario=arguments.scenario,
        layout=arguments.layout,
        fps=arguments.fps,
    )
    try:
        with emulator, _requests_shown(output):
            try:
                server = EmulatorServer(emulator, host=arguments.host, port=arguments.port)
            except (OSError, UnicodeError) as error:
                raise DecartSDKError(_cannot_listen(arguments.host, arguments.port, error)) from None
            with server:
                _announce(server.url, arguments.host, output)
                while True:  # a signal that another thread receives does not end a sleep
                    time.sleep(0.5)
    except KeyboardInterrupt:
        output.note("Stopped.")
        return Exit.DONE


@contextmanager
def _requests_shown(output: Output) -> Iterator[None]:
    """Have a line printed for each request, unless the user wants to hear of errors only."""
    log = logging.getLogger("decart.emulator")
    level = log.level
    log.setLevel(logging.WARNING if output.is_quiet else logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)


def _announce(url: str, host: str, output: Output) -> None:
    """Print the address of the server."""
    if not _is_loopback(host):
        output.warn("The emulator can be reached from other machines, protected only by the check of the key.")
    output.result({"url": url}, f"The decart emulator (placeholder media, no model) is listening on {url}")


def _is_loopback(host: str) -> bool:
    """Return whether a host name or address means this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cannot_listen(host: str, port: int, error: OSError | UnicodeError) -> str:
    """Return why the server cannot start."""
    number, reason = (error.errno, error.strerror) if isinstance(error, OSError) else (None, str(error))
    if number == errno.EADDRINUSE:
        return f"Port {port} is in use; choose another with --port, or use --port 0 for any free one."
    return f"Cannot listen on {host}:{port} ({reason}); check --host and --port."
