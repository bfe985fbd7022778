"""What a job costs, by the caller's prices."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..config import Prices
from ..errors import InvalidInputError
from ..inputs import JobInput, refuse, shown


def check_prices(prices: Prices | None) -> Prices | None:
    """Return the prices of a client.

    Raises:
        InvalidInputError: They are neither a dict nor a function.
    """
    if prices is not None and not isinstance(prices, Mapping) and not callable(prices):
        raise refuse("prices", "a dict of model names, or a function of the inputs", prices)
    return prices


def cost_of(prices: Prices | None, job: JobInput) -> float | None:
    """Return what a job costs; ``None`` if that is not known.

    Raises:
        InvalidInputError: The function raised an exception, or a price is no finite number.
    """
    if prices is None:
        return None
    try:
        cost = prices.get(job.model.name) if isinstance(prices, Mapping) else prices(job)
        price = None if cost is None else float(cost)
    except Exception as error:
        raise InvalidInputError(f"prices: {shown(error)}; nothing was sent.") from error
    if price is not None and not math.isfinite(price):
        raise refuse("prices", "finite numbers", price)
    return price
