"""What a pool may spend: the cost of a job is reserved before it is submitted."""

from __future__ import annotations

import math
import threading
from decimal import Decimal
from typing import Unpack

from ..config import Prices
from ..errors import DecartSDKError, Facts, InvalidInputError
from ..inputs import JobInput, real, refuse
from ..journal.prices import check_prices, cost_of

FREE = Decimal(0)


class SpendLimitError(DecartSDKError):
    """A job of a pool was not submitted, because it would have exceeded ``max_spend``.

    Attributes:
        limit: The ``max_spend`` of the pool.
        spent: What its jobs cost so far, with those whose outcome is unknown.
        cost: What this job would cost.
    """

    def __init__(
        self, message: str, *, limit: float = 0.0, spent: float = 0.0, cost: float = 0.0, **facts: Unpack[Facts]
    ) -> None:
        super().__init__(message, **facts)
        self.limit, self.spent, self.cost = limit, spent, cost


class Spending:
    """What one pool has spent. It counts in decimals, as prices are written, so that ten times 0.1 is 1.

    Args:
        prices: The prices of the client.
        limit: The ``max_spend`` of the pool; ``None`` for no limit.

    Raises:
        InvalidInputError: The limit is no number, or there are no prices.
    """

    def __init__(self, prices: Prices | None, limit: float | None) -> None:
        self._prices, self._limit = prices, None if limit is None else real(limit)
        self._spent = FREE
        self._lock = threading.Lock()
        if limit is None:
            return
        number = self._limit
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < math.inf:
            raise refuse("max_spend", "a number, 0 or more", limit)
        if check_prices(prices) is None:
            raise InvalidInputError("max_spend needs prices: write DecartClient(prices={'lucy-pro-t2v': 0.08, ...}).")

    def cost(self, job: JobInput) -> Decimal:
        """Return what a job costs; nothing if there is no limit.

        Raises:
            InvalidInputError: There is no price for its model, or it is less than 0.
        """
        if self._limit is None:
            return FREE
        cost = cost_of(self._prices, job)
        if cost is None:
            raise InvalidInputError(f"max_spend: there is no price for the model {job.model.name!r}; nothing was sent.")
        return Decimal(repr(cost))

    def reserve(self, cost: Decimal) -> None:
        """Count a job that is about to be submitted.

        Raises:
            SpendLimitError: It would exceed the limit.
        """
        with self._lock:
            if self._limit is not None and self._spent + cost > Decimal(repr(self._limit)):
                raise SpendLimitError(
                    f"The job was not submitted: it costs {cost}, the pool has spent {self._spent}, and its max_spend "
                    f"is {self._limit}.",
                    limit=float(self._limit),
                    spent=float(self._spent),
                    cost=float(cost),
                )
            self._spent += cost

    def release(self, cost: Decimal) -> None:
        """Do not count a job any more: it certainly was not accepted."""
        with self._lock:
            self._spent -= cost
