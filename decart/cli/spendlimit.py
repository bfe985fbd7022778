"""What a batch may spend: a limit for all runs of its list, as the journal knows them."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from decimal import Decimal

import attrs

from ..errors import InvalidInputError
from ..journal import JobRecord
from ..pool.spending import SpendLimitError
from .output import Output
from .wording import counted

TURN = 1.0
"""Seconds between two attempts to take the lock; Python handles a signal in between."""


@attrs.frozen
class SpendLimit:
    """The spending limit of a list.

    Attributes:
        most: ``--max-spend``.
        prices: The price of a job of each model.
        labels: Those of the list.
        records: Those of the journal, read anew each time.
        earlier: What earlier runs have spent.
    """

    most: Decimal
    prices: Mapping[str, float]
    labels: Container[object]
    records: Iterable[JobRecord]
    earlier: Decimal = attrs.field(init=False, default=attrs.Factory(lambda self: self._spent(), takes_self=True))

    @property
    def left(self) -> float:
        """What this run may spend."""
        return float(max(self.most - self.earlier, Decimal(0)))

    def explain(self, error: SpendLimitError, jobs: int) -> str:
        """Say at the end of a run why no more jobs were submitted, and what to do.

        Args:
            error: That of the first job that was not submitted.
            jobs: How many jobs of the list are left.
        """
        return (
            f"--max-spend is {shown(self.most)}. Earlier runs have spent {shown(self.earlier)}, this one "
            f"{shown(self._spent() - self.earlier)}, and another job would cost {shown(Decimal(repr(error.cost)))}. "
            f"{counted(jobs, 'job')} {'is' if jobs == 1 else 'are'} left: run the same command with a higher "
            "--max-spend to continue."
        )

    def _spent(self) -> Decimal:
        """Return what the jobs of the list have cost; those without a cost in the journal cost what they do now."""
        costs = (
            Decimal(repr(self.prices.get(record.model, 0.0) if record.cost is None else record.cost))
            for record in self.records
            if record.label in self.labels and record.state not in ("intended", "refused")
        )
        return sum(costs, Decimal(0))


def shown(amount: Decimal) -> str:
    """Return an amount for people.

    Example:
        >>> shown(Decimal("2.50")), shown(Decimal("100"))
        ('2.5', '100')
    """
    return f"{amount.normalize():f}"


@contextmanager
def one_at_a_time(journal: str, output: Output) -> Iterator[None]:
    """Wait until no other process runs a batch with a limit on a journal, and let none begin meanwhile.

    Otherwise, each of them could spend what is left. The lock is that of a database beside the journal, so it ends with
    the process, however that ends.

    Raises:
        InvalidInputError: The lock cannot be taken.
    """
    path = f"{os.path.realpath(journal)}.spending"
    notes = iter([f"Another batch with --max-spend uses the journal {journal}; this one waits for its end."])
    try:
        lock = sqlite3.connect(path, timeout=TURN, isolation_level=None)
    except sqlite3.DatabaseError as error:
        raise InvalidInputError(f"{path} cannot be locked, which --max-spend needs: {error}.") from None
    with closing(lock):
        while not _is_taken(lock, path):
            for note in notes:  # it is said once
                output.note(note)
        yield


def _is_taken(lock: sqlite3.Connection, path: str) -> bool:
    """Take a lock if it is free; return whether it was."""
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return False
        raise InvalidInputError(f"{path} cannot be locked, which --max-spend needs: {error}.") from None
    return True
