"""The emulator as a local HTTP server."""

from __future__ import annotations

import errno
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

from cheroot import wsgi
from urllib3.util.wait import wait_for_read

from .faults.responses import ConnectionDropped
from .reading import HEAD, Chunked, Connection
from .service import Emulator
from .wsgi import SLEEP, EmulatorApp

THREADS = 64  # concurrent responses: a stalled one occupies a thread, an idle connection does not
BACKLOG = 512  # connections to be accepted, or idle; with few, a burst of clients gets resets
IDLE = 75  # seconds that an idle connection is kept; less would close some as their next request arrives
LISTEN = 0.02  # seconds between checks of an idle server whether it should stop
DISCONNECT_CHECK = 0.25  # seconds between checks that a stalled client is still connected


class EmulatorServer:
    """Serve an emulator over HTTP on this machine; use it as a context manager.

    Args:
        emulator: The emulator; by default, a new one, which is closed with the server.
        host: The address to listen on; by default, reachable from this machine only.
        port: The port; by default, any free one.
        grace: Seconds that responses in progress have to finish when the server is closed; then they are cut off.
        silence: Seconds that a client may be silent while it sends or receives.
        seconds_per_check: Seconds by which each status check advances the emulator's clock, if that is virtual. Without
            it, such a clock stands still, even for a client that waits in real time.

    Attributes:
        url: Where it listens, as a ``base_url``.
        emulator: The emulator, with its ``requests`` and ``faults``.

    Example:
        >>> with EmulatorServer() as server:
        ...     client = DecartClient(api_key="dct_local", base_url=server.url)
    """

    def __init__(
        self,
        emulator: Emulator | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        grace: float = 5.0,
        silence: float = 10.0,
        seconds_per_check: float = 0.0,
    ) -> None:
        self.emulator = emulator or Emulator()
        self._owns_emulator = emulator is None
        self._grace = grace
        self._server = _Server(
            (host, port), EmulatorApp(self.emulator, host=host, seconds_per_check=seconds_per_check), silence
        )
        self._server.prepare()
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._server.bind_addr[1]}"
        self._thread = threading.Thread(target=self._server.serve, name="decart-emulator-server", daemon=True)

    def __enter__(self) -> EmulatorServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, let responses in progress finish without waiting for faults, and delete all files."""
        self._server.close(self._grace)
        self._thread.join()
        if self._owns_emulator:
            self.emulator.close()


class _Server(wsgi.Server):
    """A server that can drop a connection, and be stopped whatever its responses are waiting for."""

    def __init__(self, address: tuple[str, int], app: EmulatorApp, silence: float) -> None:
        super().__init__(address, app, server_name="decart-emulator")
        self.requests = _Threads(self)
        self.silence = silence
        self.gateway = _Gateway
        self.request_queue_size = BACKLOG
        self.keep_alive_conn_limit = BACKLOG
        self.expiration_interval = LISTEN
        self.timeout = IDLE
        self.max_request_header_size = HEAD
        self.ConnectionClass = Connection
        self.stopping = threading.Event()
        self.under_way: set[socket.socket] = set()

    def process_conn(self, conn: Connection) -> None:
        """Wait for data before using a thread: an open connection without a request would occupy one."""
        if conn.is_new:
            conn.is_new = False
            self.put_conn(conn)
        else:
            super().process_conn(conn)

    def close(self, grace: float) -> None:
        """Stop, and cut off responses that are in progress after so many seconds."""
        self.stopping.set()
        self.shutdown_timeout = grace
        cutting = threading.Timer(grace, self._cut)
        cutting.start()
        try:
            self.stop()
        finally:
            cutting.cancel()

    def _cut(self) -> None:
        for sock in list(self.under_way):
            with suppress(OSError):  # gone already
                sock.shutdown(socket.SHUT_RDWR)


class _Threads:
    """A thread pool as cheroot defines one, which starts a thread only when all others are busy."""

    min = THREADS

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._executor = ThreadPoolExecutor(THREADS, "decart-emulator-response")

    def start(self) -> None:
        """Return at once: the threads start as requests arrive."""

    def put(self, conn: Connection) -> None:
        """Have a thread handle the request that a connection has received; the connection logs what goes wrong."""
        self._executor.submit(self._handle, conn)

    def _handle(self, conn: Connection) -> None:
        is_kept = False
        try:
            is_kept = conn.communicate()
        finally:
            if is_kept:
                self._server.put_conn(conn)
            else:
                conn.close()

    def stop(self, timeout: float) -> None:
        """Wait until all requests are handled; `_Server.close` cuts off those that take longer than ``timeout``."""
        self._executor.shutdown()


class _Gateway(wsgi.Gateway_10):
    """One exchange, which may be cut off."""

    def respond(self) -> None:
        server, sock = self.req.server, self.req.conn.socket
        self.env[SLEEP] = self._sleep
        if self.req.chunked_read:
            self.env["wsgi.input"] = Chunked(self.req.conn.rfile)
        server.under_way.add(sock)
        try:
            self._send_response()
        except ConnectionDropped as dropped:
            if dropped.reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
                self.req.conn.linger = True  # it is closed already
            raise ConnectionResetError(errno.ECONNRESET, "cut") from None  # the server closes the connection silently
        finally:
            server.under_way.discard(sock)

    def _send_response(self) -> None:
        response: Any = self.req.server.wsgi_app(self.env, self.start_response)
        self.req.close_connection |= self.req.conn.rfile.failed
        with closing(response):
            try:
                for chunk in filter(None, response):
                    self.write(chunk)
            except OSError:
                self.req.conn.wfile.raw.close()  # or the finalizer would try to send the rest
                raise
            finally:
                self.req.ensure_headers_sent()

    def _sleep(self, seconds: float) -> None:
        """Sleep until the server stops or the client disconnects."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            if self.req.server.stopping.wait(min(left, DISCONNECT_CHECK)):
                return
            if _is_gone(self.req.conn.socket):
                raise ConnectionDropped


def _is_gone(sock: socket.socket) -> bool:
    """Return whether the client has closed the connection."""
    is_gone = True
    with suppress(OSError):  # it was reset
        is_gone = wait_for_read(sock, timeout=0) and not sock.recv(1, socket.MSG_PEEK)
    return is_gone
