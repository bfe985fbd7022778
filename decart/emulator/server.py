"""The emulator as a local HTTP server: a thread for each connection, with the standard library's request handler."""

from __future__ import annotations

import io
import os
import re
import socket
import socketserver
import struct
import threading
import time
from contextlib import closing, suppress
from http.client import HTTPException, parse_headers
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast

from werkzeug.exceptions import BadRequest, ClientDisconnected
from werkzeug.wsgi import LimitedStream

from .app import App, environ_of
from .faults.acting import ConnectionDropped
from .limits import BACKLOG, CHUNK, DAY, IDLE, LINE, STOP_CHECK, UPLOAD_LIMIT
from .service import Emulator

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


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
        app = App(self.emulator, host=host, seconds_per_check=seconds_per_check)
        self._server = _Server((host, port), app, silence)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=[STOP_CHECK], name="decart-emulator-server", daemon=True
        )

    def __enter__(self) -> EmulatorServer:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, let responses in progress finish without waiting for faults, and delete all files."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.finish(self._grace)
        if self._owns_emulator:
            self.emulator.close()


class _Server(socketserver.ThreadingTCPServer):
    """The listening socket and the open connections.

    Attributes:
        app: What responds to requests.
        silence: Seconds that a client may be silent.
        stopping: Set when the server stops.
    """

    allow_reuse_address = os.name == "posix"  # elsewhere this would allow two servers at one port
    request_queue_size = BACKLOG

    def __init__(self, address: tuple[str, int], app: App, silence: float) -> None:
        self.address_family = min(info[0] for info in socket.getaddrinfo(*address, type=socket.SOCK_STREAM))
        super().__init__(address, _Handler)
        self.app = app
        self.silence = silence
        self.stopping = threading.Event()
        self._connections: dict[threading.Thread, socket.socket] = {}

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread of a connection, and forget those that have ended."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=[request, client_address],
            name="decart-emulator-connection",
            daemon=True,
        )
        thread.start()
        alive = {thread: connection for thread, connection in self._connections.items() if thread.is_alive()}
        self._connections = {**alive, thread: request}

    def finish(self, grace: float) -> None:
        """Let each connection end after its current response, and cut off those that take longer than ``grace``."""
        self.stopping.set()
        for how, ends in ((socket.SHUT_RD, time.monotonic() + grace), (socket.SHUT_RDWR, None)):
            for connection in self._connections.values():
                with suppress(OSError):  # it is closed
                    connection.shutdown(how)
            for thread in self._connections:
                thread.join(None if ends is None else max(0.0, ends - time.monotonic()))


class _Handler(BaseHTTPRequestHandler):
    """One connection, with its requests one after the other."""

    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        self._server = cast(_Server, self.server)
        self._input = cast(io.BufferedReader, self.rfile)
        with suppress(OSError):  # the client was silent, or has disconnected
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            super().handle()

    def handle_one_request(self) -> None:
        """Wait for a request, which may take longer than any silence during it, and respond."""
        self.close_connection = True
        self.request.settimeout(IDLE)
        if self._input.peek(1):
            self.request.settimeout(self._server.silence)
            super().handle_one_request()

    def respond(self) -> None:
        """Respond to a request whose head has been read."""
        body = self._body()
        if body is None:
            return
        environ = environ_of(self.command, self.path, self.headers.items(), body)
        if isinstance(body, _Chunked):
            environ["wsgi.input_terminated"] = True
        try:
            response = self._server.app.respond(environ, self._sleep)
            with closing(response):
                self.close_connection |= not body.is_exhausted or self._server.stopping.is_set()
                chunks, status, headers = response.get_wsgi_response(environ)
                self._send_head(status, dict(headers))
                for chunk in chunks:
                    self.wfile.write(chunk)
        except ConnectionDropped as dropped:
            self.close_connection = True
            if dropped.reset:
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.rfile.close()  # which would keep the socket open
                self.request.close()
            return
        if not body.is_exhausted:  # closing now would reset the connection, and lose the response
            self.request.shutdown(socket.SHUT_WR)
            left = UPLOAD_LIMIT
            with suppress(BadRequest):
                while left > 0 and (data := body.read(CHUNK)):
                    left -= len(data)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_QUERY = respond

    def _body(self) -> LimitedStream | _Chunked | None:
        """Return the body of the request; ``None`` if its length is unknown, which the client has been told."""
        length = self.headers.get("Content-Length", "0").strip()
        match self.headers.get("Transfer-Encoding", "").lower():
            case "chunked":
                return _Chunked(self._input)
            case "" if re.fullmatch("[0-9]{1,18}", length):
                return LimitedStream(self._input, int(length))
            case coding:
                self.send_error(501 if coding else 400)
                return None

    def _send_head(self, status: str, headers: dict[str, str]) -> None:
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        headers = {"Server": "decart-emulator", "Date": self.date_time_string(), **headers}
        has_end = "Content-Length" in headers or code in ("204", "304")
        if has_end and not self.close_connection:
            headers |= {"Connection": "keep-alive", "Keep-Alive": f"timeout={IDLE}"}
        else:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _sleep(self, seconds: float) -> None:
        """Sleep until the client disconnects or the server stops: both end the wait for what the client sends next."""
        self.request.settimeout(min(seconds, DAY))
        ends = time.monotonic() + seconds
        try:
            if self.request.recv(1, socket.MSG_PEEK):  # its next request
                self._server.stopping.wait(ends - time.monotonic())
            elif not self._server.stopping.is_set():
                raise ConnectionDropped(reset=False)
        except (TimeoutError, BlockingIOError):
            pass  # it has waited
        except OSError:
            raise ConnectionDropped from None
        finally:
            self.request.settimeout(self._server.silence)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing here: the requests of the service's routes are logged when their responses end."""


class _Chunked(io.RawIOBase):
    """A chunked body, read as it arrives; a chunk may have any size.

    Attributes:
        is_exhausted: Whether it has been read to its end.
    """

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._left = 0
        self.is_exhausted = False

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read from the current chunk; return 0 at the end.

        Raises:
            BadRequest: The body is malformed, or the client is silent or has disconnected.
        """
        view = memoryview(buffer)
        try:
            if not self._left and not self.is_exhausted:
                self._begin_chunk()
            if self.is_exhausted:
                return 0
            count = self._stream.readinto1(view[: self._left])
            self._left -= count
            if not count or (not self._left and self._stream.readline(LINE) != b"\r\n"):
                raise BadRequest("A chunk has another size than it says.")
            return count
        except OSError:
            raise ClientDisconnected from None

    def _begin_chunk(self) -> None:
        """Read the size of a chunk, and the lines after the last one."""
        size = self._stream.readline(LINE).partition(b";")
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size[0].strip()) or len(b"".join(size)) == LINE:
            raise BadRequest("A chunk does not say its size.")
        self._left = int(size[0], 16)
        if not self._left:
            try:
                parse_headers(self._stream)
            except HTTPException:
                raise BadRequest("The lines after the body are too long, or too many.") from None
            self.is_exhausted = True
