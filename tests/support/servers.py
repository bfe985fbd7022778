"""Small HTTP/1.1 servers on raw sockets, for what a mock cannot show: resets, cut responses, silence, exact bytes.

::

    with serving(reply(http(200, b"first")), silent) as server:
        ...                              # talk to server.url
    assert server.requests[0].body == b"..."

The n-th connection is served by the n-th script, and further ones by the last. A script is a function of its
``Connection``; when it returns, the connection is closed. An exception of a script is raised when the ``with`` block
ends.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import attrs

HOST = "127.0.0.1"
PATIENCE = 20.0  # seconds after which a script or a test gives up; only reached if a test fails
FIRST = b"HTTP/1.1 200 OK\r\n"


@attrs.frozen(kw_only=True)
class Received:
    """A request as it was received."""

    method: str
    target: str
    lines: list[bytes]  # the lines of the head, without the first one
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        pairs = [line.decode("latin-1").split(": ", 1) for line in self.lines]
        assert len({name.lower() for name, _ in pairs}) == len(pairs), "a header came twice"
        return {name.lower(): value for name, value in pairs}


class Gone(Exception):
    """The client has closed the connection."""


class Connection:
    """One accepted connection, with the operations of a script."""

    def __init__(self, server: Server, sock: socket.socket, number: int) -> None:
        self.server, self.sock, self.number = server, sock, number
        self.received = bytearray()
        self.closed = (
            threading.Event()
        )  # set when the script is over; after `until_closed`, when the client closed the connection
        self._start = 0

    def receive(self) -> None:
        """Wait for more bytes."""
        try:
            data = self.sock.recv(1 << 20)
        except (ConnectionError, ssl.SSLError):
            data = b""
        if not data:
            raise Gone
        self.received += data

    def read_head(self) -> tuple[list[bytes], int]:
        """Receive the head of a request; return its lines and the offset of its body."""
        while (end := self.received.find(b"\r\n\r\n", self._start)) < 0:
            self.receive()
        return bytes(self.received[self._start : end]).split(b"\r\n"), end + 4

    def read_request(self) -> Received:
        """Receive a complete request; the length of its body is its Content-Length."""
        lines, start = self.read_head()
        length = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
        while len(self.received) < start + length:
            self.receive()
        self._start = start + length
        method, target, _ = lines[0].decode("ascii").split(" ")
        body = bytes(self.received[start : self._start])
        request = Received(method=method, target=target, lines=lines[1:], body=body)
        self.server.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except (ConnectionError, ssl.SSLError):
            raise Gone from None

    def drip(self, data: bytes, seconds: float = 0.01) -> None:
        """Send byte by byte, with a pause after each."""
        for byte in data:
            self.send(bytes([byte]))
            self.pause(seconds)

    def pause(self, seconds: float) -> None:
        """Do nothing for a while, unless the server is stopped."""
        if self.server.stopping.wait(seconds):
            raise Gone

    def until_closed(self) -> None:
        """Receive and discard data until the client closes the connection."""
        while True:
            self.receive()

    def reset(self) -> None:
        """Close the connection with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Script = Callable[[Connection], None]


class Server:
    """A listening socket, and the requests and connections so far."""

    def __init__(self, scripts: tuple[Script, ...], tls: ssl.SSLContext | None, receive_buffer: int | None) -> None:
        self.stopping = threading.Event()
        self.requests: list[Received] = []
        self.connections: list[Connection] = []
        self._arrival = threading.Condition()
        self.errors: list[BaseException] = []
        self._scripts, self._tls = scripts, tls
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket()
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind((HOST, 0))
        self._listener.listen(64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://{HOST}:{self.port}"
        self._start(self._accept)

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # closed
            with self._lock:
                if self.stopping.is_set():
                    sock.close()
                    return
                connection = Connection(self, sock, len(self.connections) + 1)
                with self._arrival:
                    self.connections.append(connection)
                    self._arrival.notify_all()
                script = self._scripts[min(connection.number, len(self._scripts)) - 1]
                self._start(partial(self._play, connection, script))

    def _play(self, connection: Connection, script: Script) -> None:
        connection.sock.settimeout(PATIENCE)
        try:
            if self._tls is not None:
                connection.sock = self._tls.wrap_socket(connection.sock, server_side=True)
            script(connection)
        except (Gone, ssl.SSLError, ConnectionError):
            pass
        except BaseException as error:
            self.errors.append(error)
        finally:
            with self._lock:
                connection.sock.close()
            connection.closed.set()

    def connection(self, number: int) -> Connection:
        """Return the n-th connection (from 1), waiting for it to arrive."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: len(self.connections) >= number, PATIENCE), (
                "the client did not connect"
            )
            return self.connections[number - 1]

    def close(self) -> None:
        """Stop everything, and raise the first exception of a script."""
        self.stopping.set()
        with self._lock:
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # interrupts the accept
        self._listener.close()
        for thread in list(self._threads):
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a server's thread did not end"
        for error in self.errors:
            raise error


@contextlib.contextmanager
def serving(*scripts: Script, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None) -> Iterator[Server]:
    """Run a server during the ``with`` block."""
    server = Server(scripts, tls, receive_buffer)
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """Yield an address where connections are refused: its port is bound, but not listening."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        yield f"http://{HOST}:{sock.getsockname()[1]}"


@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """Yield an address where connecting hangs: its queue is full, and nothing accepts connections."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"http://{HOST}:{listener.getsockname()[1]}"


def http(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a response, with a Content-Length."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def reply(data: bytes) -> Script:
    """Receive a request, send these bytes, and close the connection."""

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(data)

    return script


def answering(make: Callable[[Received, int], bytes]) -> Script:
    """Respond to every request with the result of ``make`` for it and the number of the connection (from 1)."""

    def script(connection: Connection) -> None:
        while True:
            connection.send(make(connection.read_request(), connection.number))

    return script


def then(data: bytes, script: Script) -> Script:
    """Respond to one request with these bytes, and then run the script on the same connection."""

    def both(connection: Connection) -> None:
        connection.read_request()
        connection.send(data)
        script(connection)

    return both


def silent(connection: Connection) -> None:
    """Receive a request and never respond."""
    connection.read_request()
    connection.until_closed()


def reset(after: bytes = b"") -> Script:
    """Receive a request, send these bytes, and reset the connection."""

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(after)
        connection.reset()

    return script
