"""The emulator for tests: in process, on a virtual clock, with tiny files, and with its own clients."""

from __future__ import annotations

from typing import Any

from .._async.client import AsyncDecartClient
from ..client import DecartClient
from ..transports.threaded import ThreadedTransport
from .clock import VirtualClock
from .remembered import render_remembered
from .service import Emulator
from .transport import EmulatorTransport

KEY = "dct_test"
"""The default key of the clients."""

URL = "http://emulator"
"""The default base URL of the clients; nothing leaves the process."""


class VirtualEmulator(Emulator):
    """An ``Emulator`` on a virtual clock, which its clients' waits advance, with tiny but real videos.

    Args:
        settings: The arguments of ``Emulator``.

    Attributes:
        clock: The clock; ``clock.sleeps`` has the clients' sleeps.
        requests: The request log.
        faults: The pending faults.

    Example:
        >>> with VirtualEmulator(faults="drop-after") as emulator, emulator.client() as client:
        ...     client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake"})
        Traceback (most recent call last):
        decart.errors.SubmitOutcomeUnknownError: ...
    """

    clock: VirtualClock

    def __init__(self, **settings: Any) -> None:
        usual: dict[str, Any] = {"clock": VirtualClock(), "renderer": render_remembered, "background": False}
        super().__init__(**(usual | settings))

    def client(self, **settings: Any) -> DecartClient:
        """Return a new client of the emulator; ``settings`` are those of ``DecartClient``.

        Example:
            >>> client = emulator.client(retry=RetryPolicy(attempts=1))
        """
        usual: dict[str, Any] = {"api_key": KEY, "base_url": URL, "transport": EmulatorTransport(self)}
        return DecartClient(**(usual | settings))

    def async_client(self, **settings: Any) -> AsyncDecartClient:
        """Return a new async client of the emulator; ``settings`` are those of ``AsyncDecartClient``.

        Example:
            >>> client = emulator.async_client(retry=RetryPolicy(attempts=1))
        """
        transport = ThreadedTransport(EmulatorTransport(self))
        usual: dict[str, Any] = {"api_key": KEY, "base_url": URL, "transport": transport}
        return AsyncDecartClient(**(usual | settings))
