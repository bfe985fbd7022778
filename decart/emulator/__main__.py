"""``python -m decart.emulator``: the service in a box, from the command line."""

from __future__ import annotations

import argparse
import ipaddress
import logging
import signal
import sys
import threading

from ..errors import MissingExtraError


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    grammar = argparse.ArgumentParser(
        prog="python -m decart.emulator",
        description="A local stand-in for the video queue. It makes real MP4 files, but their pictures are "
        "placeholders for development: no model is at work, and nothing is billed.",
        epilog="Then: DECART_BASE_URL=http://127.0.0.1:8787 DECART_API_KEY=dct_local python your_program.py",
    )
    grammar.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine alone)")
    grammar.add_argument("--port", type=int, default=8787, help="port; 0 for any free one (default: 8787)")
    grammar.add_argument("--pending", type=float, default=1.0, help="seconds a job waits in the queue (default: 1)")
    grammar.add_argument("--processing", type=float, default=3.0, help="seconds it is worked on, at least (default: 3)")
    grammar.add_argument(
        "--api-key", action="append", help="a key to let in; repeat for more (default: any dct_... key)"
    )
    return grammar


def main(arguments: list[str] | None = None) -> int:
    """Run the server until Ctrl-C or SIGTERM; return the exit status."""
    options = parser().parse_args(arguments)
    try:
        from . import Emulator, EmulatorServer
    except MissingExtraError as missing:
        print(missing, file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    ended = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: ended.set())
    with Emulator(pending=options.pending, processing=options.processing, api_keys=options.api_key) as emulator:
        try:
            server = EmulatorServer(emulator, host=options.host, port=options.port)
        except OSError as error:
            print(f"Cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)
            return 1
        with server:
            print(f"The service in a box (placeholder pictures, no model) listens on {server.url}", flush=True)
            if not _is_loopback(options.host):
                print("It can be reached from other machines, and has no protection but its key check.", flush=True)
            ended.wait()
    print("Stopped.", flush=True)
    return 0


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    sys.exit(main())
