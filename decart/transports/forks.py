"""Forked children begin with connections of their own: two processes on one socket read each other's bytes."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class _Transport(Protocol):
    def after_fork(self) -> None: ...


_transports: WeakSet[_Transport] = WeakSet()


def begin_anew_in_children(transport: _Transport) -> None:
    """Have ``transport.after_fork()`` called in each child, before it does anything else."""
    _transports.add(transport)


def _in_child() -> None:
    for transport in list(_transports):
        transport.after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_in_child)
