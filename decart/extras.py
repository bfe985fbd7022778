"""Optional capabilities: what to say when the packages of an extra are not installed."""

from __future__ import annotations

from importlib.util import find_spec

from .errors import MissingExtraError


def require(extra: str, *modules: str) -> None:
    """Check that the packages of an extra are there, before anything else goes wrong for want of them.

    Raises:
        MissingExtraError: At least one is not.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise MissingExtraError(
            f"This needs the extra {extra!r}, whose packages are not all installed ({', '.join(missing)} missing): "
            f"pip install 'decart[{extra}]'"
        )
