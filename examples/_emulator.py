"""Shared by the examples: their command line, and a client of the service or, with ``--emulator``, of an emulator."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

import __main__
from decart import DecartClient, InvalidAPIKeyError

parser = argparse.ArgumentParser(description=(__main__.__doc__ or "").partition("\n")[0], allow_abbrev=False)
parser.add_argument(
    "--emulator",
    action="store_true",
    help="run against an emulator: no key is needed and nothing is billed, but videos and images are placeholders",
)


class Service(TypedDict, total=False):
    """Arguments of a client: those of an emulator, or none for the service and the key in DECART_API_KEY."""

    api_key: str
    base_url: str


@contextmanager
def service() -> Iterator[Service]:
    """Parse the command line, and yield the arguments of a client; an emulator runs as long as the block.

    Without a key, the block ends the program with one line instead of a traceback.
    """
    if parser.parse_args().emulator:
        from decart.emulator import EmulatorServer  # needs the extra

        with EmulatorServer() as server:
            yield {"api_key": "dct_local", "base_url": server.url}
    else:
        try:
            yield {}
        except InvalidAPIKeyError as error:
            sys.exit(f"{error.message} With --emulator no key is needed.")


@contextmanager
def decart_client() -> Iterator[DecartClient]:
    """Yield a sync client."""
    with service() as arguments, DecartClient(**arguments) as client:
        yield client
