"""Faults that the emulator injects on request.

::

    kinds      the table of faults and their parameters
    fault      one fault
    notation   how it is written
    pending    the faults that have not acted yet, and which acts next
    responses  how each changes a response
    jobs       how each changes a job
"""

from __future__ import annotations

from .fault import Fault
from .notation import FaultLike, described, fault_of
from .pending import Faults

__all__ = ["Fault", "FaultLike", "Faults", "described", "fault_of"]
