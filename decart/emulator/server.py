"""The emulator as a local HTTP server: a thread for each connection, with the standard library's request handler."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
import socketserver
import struct
import threading
import time
from contextlib import closing, suppress
from email.errors import MissingHeaderBodySeparatorDefect
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from werkzeug.exceptions import BadRequest
from werkzeug.wsgi import LimitedStream

from .app import App, environ_of
from .chunked import Chunked
from .faults.acting import ConnectionDropped
from .limits import BACKLOG, CHUNK, CUT_OFF, DAY, IDLE, LINE, STOP_CHECK, UPLOAD_LIMIT
from .service import Emulator

log = logging.getLogger("decart.emulator")

_FRAMING = re.compile("(content|transfer)[_-](length|encoding)", re.IGNORECASE)
_LENGTH = re.compile("[0-9]{1,18}")


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
        for how, seconds in ((socket.SHUT_RD, grace), (socket.SHUT_RDWR, CUT_OFF)):
            ends = time.monotonic() + seconds
            for connection in self._connections.values():
                with suppress(OSError):  # it is closed
                    connection.shutdown(how)
            for thread in self._connections:
                thread.join(max(0.0, ends - time.monotonic()))


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
        if self._input.peek(2).startswith(b"\r\n"):  # an empty line before a request is ignored
            self._input.readline(LINE)
        if self._input.peek(1):
            self.request.settimeout(self._server.silence)
            super().handle_one_request()

    def respond(self) -> None:
        """Respond to a request whose head has been read."""
        body = self._body()
        if body is None:
            return
        is_path = self.path.startswith("/")  # or an address
        target = self.path if is_path else urlunsplit(("", "", *urlsplit(self.path)[2:]))
        environ = environ_of(self.command, target, self.headers.items(), body)
        if isinstance(body, Chunked):
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

    def _body(self) -> LimitedStream | Chunked | None:
        """Return the body of the request; ``None`` if its length is unknown, which the client has been told."""
        framing = [name.lower() for name in self.headers if _FRAMING.fullmatch(name)]
        length = self.headers.get("Content-Length", "0").strip()
        coding = self.headers.get("Transfer-Encoding", "").lower()
        is_cut = any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in self.headers.defects)
        if is_cut or "_" in "".join(framing) or len(framing) > len(set(framing)) or not _LENGTH.fullmatch(length):
            self.send_error(400, "The headers leave open where the body ends.")
        elif coding == "chunked":
            return Chunked(self._input)
        elif coding:
            self.send_error(501, f"The transfer coding {coding[:100]!r} is not supported.")
        else:
            return LimitedStream(self._input, int(length))
        return None

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that is not read, in the form of the service's errors, and close the connection."""
        self.close_connection = True
        if code == HTTPStatus.NOT_IMPLEMENTED and not hasattr(self, f"do_{self.command}"):  # as the service has it
            code = HTTPStatus.METHOD_NOT_ALLOWED
        self.request_version = self.protocol_version  # whatever it was: one before 1.0 would get no status
        body = json.dumps({"detail": message or HTTPStatus(code).phrase}).encode()
        log.info("%.200r -> %d", self.requestline, code)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        self._send_head(f"{code} {HTTPStatus(code).phrase}", headers)
        self.wfile.write(body)

    def handle_expect_100(self) -> bool:
        """Ask for the body of a request, unless it announces more than is read."""
        length = self.headers.get("Content-Length", "0").strip()
        if _LENGTH.fullmatch(length) and int(length) > UPLOAD_LIMIT:
            self.send_error(413)
            return False
        return super().handle_expect_100()

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
