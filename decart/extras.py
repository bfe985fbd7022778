"""Optional features: what to install if the packages of an extra are missing."""

from __future__ import annotations

from importlib.util import find_spec

from .errors import MissingExtraError

DISTRIBUTION = "decart-queue"
"""The name that ``pip install`` knows this package by; ``decart`` is the service's own SDK."""


def require(extra: str, *modules: str) -> None:
    """Check that the packages of an extra are installed.

    Raises:
        MissingExtraError: At least one of them is not.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise MissingExtraError(
            f"This feature needs {', '.join(missing)}, from the extra {extra!r}: pip install '{DISTRIBUTION}[{extra}]'"
        )
