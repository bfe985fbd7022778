"""tenacity's ``AsyncRetrying``, for decisions that are plain functions, as all of ours are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import tenacity

if TYPE_CHECKING:
    from tenacity import RetryCallState


class AsyncRetrying(tenacity.AsyncRetrying):
    """The same loop, in which tenacity's ``Retrying`` decides.

    For each decision the original looks whether its functions are to be awaited. In a wait for a job, that takes as
    long as all that the SDK does besides.
    """

    def __init__(self, *, sleep: Callable[[float], Awaitable[None]], **settings: Any) -> None:
        super().__init__(sleep=sleep, **settings)
        self._deciding = tenacity.Retrying(**settings)

    def begin(self) -> None:
        """Begin anew."""
        super().begin()
        self._deciding.begin()

    async def iter(self, retry_state: RetryCallState) -> Any:
        """Say what comes next: an attempt, a sleep, or the end."""
        return self._deciding.iter(retry_state)
