"""Time enough for a test with real, short times on a machine that is busy."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from decart import DecartSDKError

SCALES = (1, 4, 16)


def at_any_speed(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test with its times multiplied by ``scale``, an argument of it, until it passes.

    A rule about time holds at each scale; a busy machine stands still for longer than a short time, but not for longer
    than sixteen times that.
    """

    @functools.wraps(test)
    def patiently(**fixtures: Any) -> None:
        for scale in SCALES[:-1]:
            with suppress(AssertionError, DecartSDKError, pytest.fail.Exception):
                return test(**fixtures, scale=scale)
        return test(**fixtures, scale=SCALES[-1])

    signature = inspect.signature(test)
    visible = [parameter for name, parameter in signature.parameters.items() if name != "scale"]
    patiently.__signature__ = signature.replace(parameters=visible)  # type: ignore[attr-defined]  # for pytest
    return patiently
