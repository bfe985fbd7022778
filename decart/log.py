"""The logger of this package. It swallows errors: a broken handler must not end the wait for a job that is paid for."""

from __future__ import annotations

import logging
from typing import Any


class SafeLog:
    """A logger like ``logging.Logger``, except that errors in its handlers and filters are ignored.

    Args:
        name: The name of the logger.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def isEnabledFor(self, level: int) -> bool:
        """Return whether messages of this level are logged."""
        return self._logger.isEnabledFor(level)

    def debug(self, message: str, *args: object, **options: Any) -> None:
        """Log a message that is useful only for debugging."""
        self._log(logging.DEBUG, message, *args, **options)

    def info(self, message: str, *args: object, **options: Any) -> None:
        """Log a normal event."""
        self._log(logging.INFO, message, *args, **options)

    def warning(self, message: str, *args: object, **options: Any) -> None:
        """Log a problem that deserves attention."""
        self._log(logging.WARNING, message, *args, **options)

    def _log(self, level: int, message: str, *args: object, **options: Any) -> None:
        try:
            self._logger.log(level, message, *args, stacklevel=3, **options)
        except Exception:  # there is nowhere left to report it
            return


log = SafeLog("decart")
