"""A raw HTTP/1.1 server for what mocks cannot show: silence, resets, cut answers, and exactly which bytes arrive."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Handler = Callable[["Exchange"], None]


class Exchange:
    """One request that has arrived at the server, and the ways to treat it.

    Attributes:
        head: The request line and the headers, as bytes.
        body: The body, once ``read_body`` was called.
    """

    def __init__(self, sock: socket.socket, head: bytes, rest: bytes) -> None:
        self.sock = sock
        self.head = head
        self.body = rest

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n")[0].decode()

    @property
    def path(self) -> str:
        return self.line.split()[1]

    def header(self, name: str) -> str | None:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    def read_body(self) -> bytes:
        missing = int(self.header("content-length") or 0) - len(self.body)
        while missing > 0:
            chunk = self.sock.recv(min(missing, 1 << 20))
            if not chunk:
                raise ConnectionError("the client went away")
            self.body += chunk
            missing -= len(chunk)
        return self.body

    def answer(self, body: bytes = b"{}", status: str = "200 OK", headers: str = "", length: int | None = None) -> None:
        size = len(body) if length is None else length
        self.sock.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{headers}\r\n".encode() + body)

    def reset(self) -> None:
        """Break the connection off so that the other side sees a reset and not an end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Server:
    """A server whose every request goes to ``handler``; use ``serving``.

    Attributes:
        exchanges: Every request so far.
        connections: How many connections were made.
    """

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self.handler = handler
        self.tls = tls
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self.released = threading.Event()  # set when the test is over: handlers that stall wait for it
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return "http://127.0.0.1:%d" % self._listener.getsockname()[1]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            thread = threading.Thread(target=self._converse, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _converse(self, sock: socket.socket) -> None:
        with suppress(OSError):  # the test broke the connection off, or ended
            with self.tls.wrap_socket(sock, server_side=True) if self.tls else sock as stream:
                while exchange := self._read_head(stream):
                    self.exchanges.append(exchange)
                    self.handler(exchange)
                    exchange.read_body()

    def _read_head(self, sock: socket.socket) -> Exchange | None:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = sock.recv(65536)
            if not chunk:
                return None
            data += chunk
        head, _, rest = data.partition(b"\r\n\r\n")
        return Exchange(sock, head, rest)

    def close(self) -> None:
        self.released.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(5)
        for sock in self._sockets:
            with suppress(OSError):  # it is closed already
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(5)


@contextmanager
def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server for the length of a ``with`` block."""
    server = Server(handler, tls)
    try:
        yield server
    finally:
        server.close()
