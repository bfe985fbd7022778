"""The faults that wait for their turn, and who is next."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from .fault import Fault
from .notation import FaultLike, fault_of


class Faults:
    """The faults that wait for their turn, in order; one that was used up is gone.

    Example:
        >>> emulator.faults.add("status:503,on=submit,times=2", Fault("drop-after"))
        >>> emulator.faults.left
        (Fault('status:503,on=submit,times=2'), Fault('drop-after'))
    """

    def __init__(self, faults: FaultLike | Iterable[FaultLike] = ()) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        several: Any = [faults] if isinstance(faults, (Fault, str, Mapping)) else faults
        self.add(*several)

    def add(self, *faults: FaultLike) -> None:
        """Add faults behind those that wait; none of them if one cannot be read.

        Raises:
            InvalidInputError: One cannot be read.
        """
        read = [fault_of(fault) for fault in faults]
        with self._lock:
            self._waiting += read

    def clear(self) -> None:
        """Forget those that wait."""
        with self._lock:
            self._waiting = []

    @property
    def left(self) -> tuple[Fault, ...]:
        """Those that wait still, each with as many ``times`` (and ``after``) as it has left."""
        return tuple(self._waiting)

    def take(self, route: str) -> tuple[Fault, ...]:
        """Use up and return those that act on a request of this kind, at most one of each part."""
        return self._take(route, ("answer", "pace", "silence", "end"))

    def take_for_job(self) -> Fault | None:
        """Use up and return what becomes of a job, if it was said."""
        return next(iter(self._take("any", ("job",))), None)

    def _take(self, route: str, parts: tuple[str, ...]) -> tuple[Fault, ...]:
        with self._lock:
            meant = [fault for fault in self._waiting if fault.kind.part in parts and fault.is_for(route)]
            chosen: dict[str, Fault] = {}
            for fault in meant:
                if not fault.after:
                    chosen.setdefault(fault.kind.part, fault)
            if "answer" in chosen and chosen["answer"].drops:  # there is no body to do anything with
                chosen = {part: fault for part, fault in chosen.items() if part in ("answer", "silence")}
            now = list(chosen.values())
            self._waiting = [left for fault in self._waiting for left in _left(fault, meant, now)]
            return tuple(sorted(now, key=lambda fault: parts.index(fault.kind.part)))


def _left(fault: Fault, meant: list[Fault], now: list[Fault]) -> list[Fault]:
    if any(fault is other for other in now):
        return fault.once_less()
    if fault.after and any(fault is other for other in meant):
        return [attrs.evolve(fault, after=fault.after - 1)]
    return [fault]
