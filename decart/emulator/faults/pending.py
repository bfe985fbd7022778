"""The faults that have not acted yet, and which acts next."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from .fault import Fault
from .notation import FaultLike, fault_of


class Faults:
    """The pending faults, in order; one that is used up is removed.

    Example:
        >>> emulator.faults.add("status:503,on=submit,times=2", Fault("drop-after"))
        >>> emulator.faults.left
        (Fault('status:503,on=submit,times=2'), Fault('drop-after'))
    """

    def __init__(self, faults: FaultLike | Iterable[FaultLike] = ()) -> None:
        self._lock = threading.Lock()
        self._pending: list[Fault] = []
        several: Any = [faults] if isinstance(faults, (Fault, str, Mapping)) else faults
        self.add(*several)

    def add(self, *faults: FaultLike) -> None:
        """Append faults, or none if one of them is invalid.

        Raises:
            InvalidInputError: One is invalid.
        """
        read = [fault_of(fault) for fault in faults]
        with self._lock:
            self._pending += read

    def clear(self) -> None:
        """Remove all pending faults."""
        with self._lock:
            self._pending = []

    @property
    def left(self) -> tuple[Fault, ...]:
        """The pending faults, each with the remaining ``times`` and ``after``."""
        return tuple(self._pending)

    def take(self, route: str) -> tuple[Fault, ...]:
        """Use up and return the faults for a request of this kind, at most one of each part."""
        return self._take(route, ("response", "pace", "silence", "end"))

    def take_for_job(self) -> Fault | None:
        """Use up and return the fault for a job, if there is one."""
        return next(iter(self._take("any", ("job",))), None)

    def _take(self, route: str, parts: tuple[str, ...]) -> tuple[Fault, ...]:
        with self._lock:
            matching = [fault for fault in self._pending if fault.kind.part in parts and fault.is_for(route)]
            chosen: dict[str, Fault] = {}
            for fault in matching:
                if not fault.after:
                    chosen.setdefault(fault.kind.part, fault)
            if "response" in chosen and chosen["response"].drops:  # there is no body
                chosen = {part: fault for part, fault in chosen.items() if part in ("response", "silence")}
            now = list(chosen.values())
            self._pending = [left for fault in self._pending for left in _remaining(fault, matching, now)]
            return tuple(sorted(now, key=lambda fault: parts.index(fault.kind.part)))


def _remaining(fault: Fault, matching: list[Fault], now: list[Fault]) -> list[Fault]:
    if any(fault is other for other in now):
        return fault.once_less()
    if fault.after and any(fault is other for other in matching):
        return [attrs.evolve(fault, after=fault.after - 1)]
    return [fault]
