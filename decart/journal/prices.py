"""What a job costs, by the caller's prices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from numbers import Real

from ..config import Prices
from ..errors import InvalidInputError
from ..inputs import JobInput, one_line, refuse


def check_prices(prices: Prices | None) -> Prices | None:
    """Return the prices of a client.

    Raises:
        InvalidInputError: They are neither a dict nor a function, or one in the dict is no price.
    """
    if isinstance(prices, Mapping):
        for price in prices.values():
            check_price(price)
    elif prices is not None and not callable(prices):
        raise refuse("prices", "a dict of model names, or a function of the inputs", prices)
    return prices


def check_price(price: object) -> float:
    """Return a price as a float.

    Raises:
        InvalidInputError: It is no finite number of 0 or more.
    """
    if isinstance(price, bool) or not isinstance(price, (Real, Decimal)) or not 0 <= float(price) < float("inf"):
        raise refuse("prices", "finite numbers of 0 or more", price)
    return float(price)


def cost_of(prices: Prices | None, job: JobInput) -> float | None:
    """Return what a job costs; ``None`` if that is not known.

    Raises:
        InvalidInputError: The function raised an exception, or returned what is no price.
    """
    if prices is None:
        return None
    try:
        price = prices.get(job.model.name) if isinstance(prices, Mapping) else prices(job)
    except Exception as error:
        raise InvalidInputError(
            f"The function prices raised {type(error).__name__}: {one_line(str(error))}; nothing was sent."
        ) from error
    return None if price is None else check_price(price)
