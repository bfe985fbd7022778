"""How an exchange that blocks one thread is ended by another: by shutting the socket that it waits on."""

from __future__ import annotations

import errno
import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import Any


class Abort:
    """Ends one exchange that is under way in another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: Any = None
        self._aborted = False

    def waits_on(self, sock: Any) -> None:
        """Take note of the socket that the exchange is about to wait on."""
        with self._lock:
            if self._aborted:
                raise ConnectionAbortedError(errno.ECONNABORTED, "given up by the caller")
            self._socket = sock

    def waits_no_more(self) -> None:
        """Take note that it has what it waited for; the socket may now go to another exchange."""
        with self._lock:
            self._socket = None

    def abort(self) -> None:
        """End the exchange, now or before its next wait."""
        with self._lock:
            self._aborted = True
            if self._socket is not None:
                plain = getattr(self._socket, "socket", self._socket)  # TLS within TLS has one inside
                with suppress(OSError):  # gone already
                    socket.socket.shutdown(plain, socket.SHUT_RDWR)


aborting: ContextVar[Abort | None] = ContextVar("aborting", default=None)
"""How the exchange of this thread may be ended by another; a sync transport need not know of it."""
