"""Faults that the emulator injects on request.

::

    table    the faults and their parameters, as data
    fault    one fault, its three notations, and those that have not acted yet
    acting   what each does to a response or a job
"""

from __future__ import annotations

from .fault import PARAMETERS, Fault, FaultLike, Faults, fault_of
from .table import KINDS, ROUTES, described

__all__ = ["KINDS", "PARAMETERS", "ROUTES", "Fault", "FaultLike", "Faults", "described", "fault_of"]
