"""The decart emulator: a local model of the service, with its HTTP API and real MP4 files.

The pictures are placeholders for development, drawn by a program and not by the model; everything else (keys, checks,
statuses, errors) is meant to be what the service does. There is one class, ``Emulator``, which is reached

- over HTTP: ``with EmulatorServer() as server: DecartClient(api_key="dct_local", base_url=server.url)``,
- from the command line: ``decart emulator --port 8787``,
- in process, on a virtual clock: ``DecartClient(api_key="dct_local", transport=EmulatorTransport())``, or
  from the fixtures of `decart.integrations.pytest_plugin`.

It fails on request (`decart.emulator.faults`), also as a file says for each job (`decart.emulator.scenario`), and logs
the requests, so that a test can assert on them (`decart.emulator.requestlog`).

It needs the extra ``emulator``: ``pip install 'decart-queue[emulator]'``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..extras import require

if TYPE_CHECKING:
    from .clock import VirtualClock
    from .faults import Fault
    from .logged import LoggedRequest
    from .server import EmulatorServer
    from .service import Emulator
    from .virtual import EmulatorTransport, VirtualEmulator

__all__ = [
    "Emulator",
    "EmulatorServer",
    "EmulatorTransport",
    "Fault",
    "LoggedRequest",
    "VirtualClock",
    "VirtualEmulator",
]

_HOMES = {
    "Emulator": "service",
    "EmulatorServer": "server",
    "EmulatorTransport": "virtual",
    "Fault": "faults",
    "LoggedRequest": "logged",
    "VirtualClock": "clock",
    "VirtualEmulator": "virtual",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    require("emulator", "av", "cryptography", "jwt", "PIL", "pydantic", "werkzeug")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
