"""The log of this package, whose failures stay its own: a broken handler must not end a wait that is paid for."""

from __future__ import annotations

import logging
from typing import Any


class SafeLog:
    """A ``logging.Logger`` to its callers, except that no handler or filter of it can raise an error.

    Args:
        name: The name of the logger.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def isEnabledFor(self, level: int) -> bool:
        """Say whether anybody wants to hear of this level."""
        return self._logger.isEnabledFor(level)

    def debug(self, message: str, *args: object, **options: Any) -> None:
        """Log what only somebody who looks for a fault wants to know."""
        self._log(logging.DEBUG, message, *args, **options)

    def info(self, message: str, *args: object, **options: Any) -> None:
        """Log what happens."""
        self._log(logging.INFO, message, *args, **options)

    def warning(self, message: str, *args: object, **options: Any) -> None:
        """Log what somebody should look at."""
        self._log(logging.WARNING, message, *args, **options)

    def _log(self, level: int, message: str, *args: object, **options: Any) -> None:
        try:
            self._logger.log(level, message, *args, stacklevel=3, **options)
        except Exception:  # there is nowhere left to say it
            return


log = SafeLog("decart")
