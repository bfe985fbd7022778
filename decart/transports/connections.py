"""What the transports on urllib3 share: connections that keep the limits of an exchange.

What they add to urllib3, and why:

- **Timeouts mean what they say**: urllib3 sends a body under the *connect* timeout, and lets a server that drips bytes
  go on for ever, so these connections ask before each wait how long it may take.
- **An answer may overtake the body**: a server that refuses an upload (413, 401) says so long before the last byte. The
  sender looks for that before each block and while it waits, reads the answer, and drops the connection.
- **The body tells whether it was touched**, and is handed out once.
"""

from __future__ import annotations

import errno
import http.client
import io
import re
import select
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection

from ..errors import TransportError
from .abort import aborting
from .base import PIECE, Body, Timeout

BLOCK = 64 * 1024
"""Bytes of a body that are worth a write of their own; smaller parts are sent together."""

_SIMPLE = re.compile(
    rb"HTTP/1\.1 ((?!204|304)[2-5]\d\d) ([^\r\n\0]*)\r\n((?:[-!#$%&'*+.^_`|~0-9A-Za-z]+:[^\r\n\0]*\r\n){1,99})\r\n"
)
_LENGTH = re.compile("[0-9]{1,18}").fullmatch
_INTERIM = re.compile(rb"HTTP/1\.\d 1")
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class NotConnected(urllib3.exceptions.HTTPError):
    """Nothing was sent; the cause says why."""


class Limits:
    """How long one exchange, begun now, may wait for the other side; and what its connection has seen of it.

    Attributes:
        head_sent: Whether the head of the request is out.
        watches: Whether to look for an answer while the body is sent.
        cut: Whether the body was not sent to its end, so that the connection is of no more use.
        early: What was read of an answer while the body was sent.
    """

    def __init__(self, timeout: Timeout) -> None:
        self._connect, self._read = timeout.connect, timeout.read
        self._ends = float("inf") if timeout.total is None else time.monotonic() + timeout.total
        self._abort = aborting.get()
        self.head_sent = self.cut = False
        self.watches = True
        self.early = b""

    def allow(self, sock: Any) -> float:
        """Give the next wait on a socket its time, and let it be ended from outside."""
        seconds = self.left()
        sock.settimeout(seconds)
        if self._abort is not None:
            self._abort.waits_on(sock)
        return seconds

    def over(self) -> None:
        """Say that the wait is over, so that nobody shuts a socket that another exchange may have by then."""
        if self._abort is not None:
            self._abort.waits_no_more()

    def left(self) -> float:
        """Return the seconds that the next wait may take."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole exchange is up")
        return min(self._read, left)

    def connecting(self) -> float:
        """Return the seconds that connecting may take; 0 when there are none left."""
        return max(0.0, min(self._connect, self._ends - time.monotonic()))


limits: ContextVar[Limits] = ContextVar("limits")
"""Those of the exchange under way in this thread: urllib3 hands its connections nothing but a number."""


# ---------------------------------------------------------------- reading


class _LimitedFile(io.RawIOBase):
    """What an answer is read from."""

    def __init__(self, sock: Any) -> None:
        self._file: io.RawIOBase
        self._file, self._sock, self._limits = sock.makefile("rb", buffering=0), sock, limits.get()

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what http.client reads from; it takes this for the socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._limits.early:
            return self._first(buffer)
        self._limits.allow(self._sock)
        try:
            return self._file.readinto(buffer)
        finally:
            self._limits.over()

    def _first(self, buffer: Any) -> int:
        """Give what was read of the answer while the body was sent."""
        part, self._limits.early = self._limits.early[: len(buffer)], self._limits.early[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()


class LimitedResponse(http.client.HTTPResponse):
    """An answer that is read within the limits of its exchange."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(_LimitedFile(sock), *args, **kwargs)  # type: ignore[arg-type]

    def begin(self) -> None:
        if not self._begin_simply():
            super().begin()
        if limits.get().cut:
            self.will_close = True  # the server would take the next request for the rest of this one's body

    def _begin_simply(self) -> bool:
        """Read a head of the usual kind, if it is one: what http.client does with it takes longer than all the rest."""
        head = _SIMPLE.match(self.fp.peek())
        if head is None or self._method == "HEAD":  # type: ignore[attr-defined]
            return False
        lines = [line.split(":", 1) for line in head[3].decode("latin-1").split("\r\n")[:-1]]
        fields = {name.lower(): value.strip(" \t") for name, value in lines}
        if len(fields) < len(lines) or "transfer-encoding" in fields or not _LENGTH(fields.get("content-length", "")):
            return False
        self.fp.read(head.end())
        self.code = self.status = int(head[1])
        self.reason, self.version = head[2].decode("latin-1").strip(), 11
        self.headers = self.msg = http.client.HTTPMessage()
        for name, value in lines:
            self.headers.set_raw(name, value.lstrip(" \t"))
        self.chunked = False
        self.length = int(fields["content-length"])
        self.will_close = "close" in fields.get("connection", "").lower()
        return True


# ---------------------------------------------------------------- sending


class Limited(HTTPConnection if TYPE_CHECKING else object):  # type: ignore[misc]
    """What a connection of urllib3 is made into; see `decart.transports.pools`."""

    response_class = LimitedResponse

    def connect(self) -> None:
        seconds = limits.get().connecting()
        if not seconds:
            raise urllib3.exceptions.ConnectTimeoutError(self, "the time for the whole exchange is up")
        self.timeout = seconds
        super().connect()

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: Iterable[bytes] | None
    ) -> http.client.HTTPResponse:
        """Send a request, and return its answer as far as the head."""
        self._begin(method, target, headers)
        try:
            self.endheaders()
            for block in body or ():
                self.send(block)
        except BrokenPipeError:
            pass  # there may be an answer all the same
        return http.client.HTTPConnection.getresponse(self)  # that of urllib3 makes more of it than we need

    def _begin(self, method: str, target: str, headers: Mapping[str, str]) -> None:
        given = {name.lower() for name in headers}
        try:
            self.putrequest(method, target, skip_host="host" in given, skip_accept_encoding="accept-encoding" in given)
            for name, value in headers.items():
                self.putheader(name, value)
        except (ValueError, http.client.InvalidURL):  # whose words hold the value, which may be the key
            raise NotConnected("a header or the address has a character that it may not have") from None

    def send(self, data: Any) -> None:  # of http.client come the head, and then blocks of the body
        """Send the head of a request, or the next block of its body, in as many steps as the other side needs."""
        now = limits.get()
        try:
            if now.head_sent and isinstance(self.sock, socket.socket):
                _send_watching(self.sock, memoryview(data), now)
            else:
                _send(self.sock, memoryview(data), now)
                now.head_sent = True
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as error:
            now.cut = True
            # an answer may be there already, as to a body that is too large: after this, urllib3 looks for it
            raise BrokenPipeError(*error.args) from error


def _send(sock: Any, data: memoryview, now: Limits) -> None:
    """Send to a socket that nothing more can be done with, such as that of TLS within TLS."""
    for start in range(0, len(data), PIECE):
        now.allow(sock)
        try:
            sock.sendall(data[start : start + PIECE])
        finally:
            now.over()


def _send_watching(sock: socket.socket, data: memoryview, now: Limits) -> None:
    """Send, and stop when the answer comes before the end.

    Raises:
        BrokenPipeError: It is there.
    """
    while data:
        seconds = now.allow(sock)
        try:
            readable = _wait(sock, now.watches, seconds)
            sock.settimeout(0)
            if readable and _answered(sock, now):
                raise BrokenPipeError(errno.EPIPE, "the answer came before the body was sent")
            data = data[sock.send(data) :]
        except _NOT_NOW:
            continue
        finally:
            now.over()


def _wait(sock: socket.socket, both: bool, seconds: float) -> bool:
    """Wait until a socket takes data or, if ``both``, has some; return whether it has."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLOUT | (select.POLLIN if both else 0))
        ready: list[Any] = [event for _, event in poll.poll(seconds * 1000)]
        has_data = bool(ready) and ready[0] != select.POLLOUT
    else:  # pragma: no cover - Windows
        found = select.select([sock] if both else [], [sock], [], seconds)
        ready, has_data = [*found[0], *found[1]], bool(found[0])
    if not ready:
        raise TimeoutError(errno.ETIMEDOUT, "nothing of the body was taken")
    return has_data and both


def _answered(sock: socket.socket, now: Limits) -> bool:
    """Say whether what has come in is the answer, or the end, and not something in between."""
    try:
        if isinstance(sock, ssl.SSLSocket):  # what is encrypted cannot be looked at without taking it
            data = now.early = sock.recv(PIECE)
        else:
            data = sock.recv(PIECE, socket.MSG_PEEK)
    except _NOT_NOW:  # of TLS itself, such as a ticket for the next connection
        return False
    now.watches = not _INTERIM.match(data)  # "100 Continue": there is no looking past it
    return now.watches


class Once:
    """A request body that remembers whether any of it was asked for, and cannot be sent twice."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.touched = False

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes]:
        if self.touched:
            raise TransportError(
                "The connection broke off, and the session's adapter was kept from sending it all again."
            )
        self.touched = True
        small: list[bytes] = []
        for piece in self._body:
            if len(piece) < BLOCK:
                small.append(piece)
            if small and (len(piece) >= BLOCK or sum(map(len, small)) >= BLOCK):
                yield b"".join(small)
                small = []
            if len(piece) >= BLOCK:
                yield piece
        if small:
            yield b"".join(small)
