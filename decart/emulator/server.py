"""The emulator as a local HTTP server."""

from __future__ import annotations

import threading

from cheroot import wsgi

from .app import App
from .service import Emulator

THREADS = 16


class EmulatorServer:
    """A local server around an emulator; use it as a context manager.

    Args:
        emulator: The queue; a new one unless given, which is closed with the server.
        host: The address to listen on; this machine alone unless told otherwise.
        port: The port; any free one unless given.

    Attributes:
        url: Where it listens, as a ``base_url``.

    Example:
        >>> with EmulatorServer() as server:
        ...     client = DecartClient(api_key="dct_local", base_url=server.url)
    """

    def __init__(self, emulator: Emulator | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._emulator = emulator or Emulator()
        self._owns_emulator = emulator is None
        self._server = wsgi.Server((host, port), App(self._emulator), numthreads=THREADS, server_name="decart-emulator")
        self._server.shutdown_timeout = 1
        self._server.prepare()
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._server.bind_addr[1]}"
        self._thread = threading.Thread(target=self._server.serve, name="decart-emulator-server", daemon=True)

    def __enter__(self) -> EmulatorServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, let answers under way finish, and delete what was made."""
        self._server.stop()
        self._thread.join()
        if self._owns_emulator:
            self._emulator.close()
