"""Where the records of submitted jobs are kept, so that none is lost or paid for twice after a crash.

Each name is imported on first use, so that a program without a journal does not load a database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import JournalError, LabelBusyError, LabelConflictError
    from .memory import MemoryJournal
    from .records import JobRecord, Journal
    from .sqlite import SQLiteJournal

__all__ = [
    "JobRecord",
    "Journal",
    "JournalError",
    "LabelBusyError",
    "LabelConflictError",
    "MemoryJournal",
    "SQLiteJournal",
]

_MODULES = {
    "JobRecord": "records",
    "Journal": "records",
    "JournalError": "errors",
    "LabelBusyError": "errors",
    "LabelConflictError": "errors",
    "MemoryJournal": "memory",
    "SQLiteJournal": "sqlite",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value  # the next time, it is simply there
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
