"""What the examples share: a client of the real service or, with ``--emulator``, of an emulator."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

from decart import DecartClient


class Where(TypedDict, total=False):
    """A client's key and base URL; empty for the real service and the key in DECART_API_KEY."""

    api_key: str
    base_url: str


@contextmanager
def service() -> Iterator[Where]:
    """Give the arguments of a client: those of an emulator, if the program was started with ``--emulator``."""
    if "--emulator" in sys.argv[1:]:
        from decart.emulator import EmulatorServer

        with EmulatorServer() as server:
            yield {"api_key": "dct_local", "base_url": server.url}
    else:
        yield {}


@contextmanager
def decart_client() -> Iterator[DecartClient]:
    """Give a sync client."""
    with service() as where, DecartClient(**where) as client:
        yield client
