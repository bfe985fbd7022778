"""The job that most tests of the emulator submit, and its video."""

from __future__ import annotations

from typing import Any

from decart import (
    models,
)

LAKE: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "a lake"}
VIDEO = b"video of a lake"
