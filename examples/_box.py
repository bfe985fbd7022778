"""What the examples share: the client, for the real service or, with ``--emulator``, for the service in a box."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from decart import DecartClient


@contextmanager
def decart_client() -> Iterator[DecartClient]:
    """Give a client; it takes its key from DECART_API_KEY, unless the program was started with ``--emulator``."""
    if "--emulator" in sys.argv[1:]:
        from decart.emulator import EmulatorServer

        with EmulatorServer() as server, DecartClient(api_key="dct_local", base_url=server.url) as client:
            yield client
    else:
        with DecartClient() as client:
            yield client
