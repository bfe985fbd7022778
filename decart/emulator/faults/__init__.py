"""Faults that the emulator plays when it is told to.

::

    kinds      the table: what can go wrong, and what each name takes
    fault      one thing that goes wrong
    notation   how it is written
    waiting    which wait for their turn, and who is next
    answers    what each makes of an answer
    jobs       what each makes of a job
"""

from __future__ import annotations

from .fault import Fault
from .notation import FaultLike, described, fault_of
from .waiting import Faults

__all__ = ["Fault", "FaultLike", "Faults", "described", "fault_of"]
