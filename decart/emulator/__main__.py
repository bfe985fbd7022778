"""``python -m decart.emulator``: the service in an emulator, from the command line."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import signal
import sys
import time

from ..errors import InvalidInputError, MissingExtraError
from .faults import Fault, described, fault_of

DESCRIPTION = """\
A local stand-in for the video queue. It makes real MP4 files, but their pictures are placeholders for development: no
model is at work, and nothing is billed."""

ROUTES = """\
routes (header X-API-KEY: dct_... but where no key is said to be needed):
  POST /v1/jobs/{model}             submit a job: a form of prompt, data, seed, resolution, ...
  GET  /v1/jobs/{job_id}            its status: pending, processing, completed, failed
  GET  /v1/jobs/{job_id}/content    its file, or a part of it (Range, If-Range)
  POST /v1/generate/{image model}   a picture (PNG) at once
  POST /v1/files                    keep a file; GET and DELETE /v1/files/{file_id}
  POST /v1/client/tokens            a short-lived key, and the same as a signed token
  POST /v1/models/resolve           the full names of models; no key
  POST /v1/verify                   whether a file was made here
  GET  /api/auth/jwks               what tokens are signed with; no key

control routes, which the service does not have (no key):
  GET    /_emulator/faults          the faults that wait
  POST   /_emulator/faults          add some, as JSON: "drop-after", {"name": "status", "code": 503}, or a list
  DELETE /_emulator/faults          forget them
  GET    /_emulator/requests        what was asked so far; ?route=submit for some of it
  DELETE /_emulator/requests        forget it
"""

FAULTS = """\
faults, as NAME[:VALUE][,KEY=VALUE]...; besides its own, each takes on= (submit, status, content, generate, files,
tokens or any), times= (a number, or forever) and after= (requests to leave alone first):
"""

EXAMPLES = """\
examples:
  python -m decart.emulator --port 8787
      then: DECART_BASE_URL=http://127.0.0.1:8787 DECART_API_KEY=dct_local python your_program.py
  python -m decart.emulator --fault status:503,on=submit,times=2,retry_after=1 --fault drop-midway
      two submits are refused, and the first download breaks off half way
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    grammar = argparse.ArgumentParser(
        prog="python -m decart.emulator",
        usage="%(prog)s [OPTION]...",
        description=DESCRIPTION,
        epilog="\n".join([ROUTES, FAULTS + described(), "", EXAMPLES]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = grammar.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    add("--port", type=int, default=8787, help="port; 0 for any free one, which is then printed (default: 8787)")
    add("--pending", type=float, default=1.0, help="seconds a job waits in the queue (default: 1)")
    add("--processing", type=float, default=3.0, help="seconds it is worked on, at least (default: 3)")
    add("--api-key", action="append", help="a key to let in; repeat for more (default: any dct_... key)")
    add("--today", action="store_true", help="answer 410 to names of models that the service has retired")
    add("--fault", type=_fault, action="append", default=[], help="something to go wrong, see below; repeat for more")
    add("--quiet", action="store_true", help="do not print a line for each request")
    return grammar


def _fault(text: str) -> Fault:
    try:
        return fault_of(text)
    except InvalidInputError as error:
        raise argparse.ArgumentTypeError(error.message) from None


def main(arguments: list[str] | None = None) -> int:
    """Run the server until Ctrl-C or SIGTERM; return the exit status."""
    options = parser().parse_args(arguments)
    try:
        from . import EmulatorServer  # noqa: F401 - it needs an extra
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
        today=options.today,
        faults=options.fault,
    ) as emulator:
        try:
            server = EmulatorServer(emulator, host=options.host, port=options.port)
        except OSError as error:
            print(f"Cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)
            return 1
        with server:
            print(f"The service in an emulator (placeholder pictures, no model) listens on {server.url}", flush=True)
            if not _is_loopback(options.host):
                print("It can be reached from other machines, and has no protection but its key check.", flush=True)
            while True:  # until Ctrl-C; a wait without end cannot be interrupted on Windows
                time.sleep(60)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    sys.exit(main())
