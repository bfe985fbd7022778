"""The job that most emulator tests submit, and its video."""

from __future__ import annotations

from typing import Any

from decart import (
    models,
)

LAKE: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "a lake"}
VIDEO = b"video of a lake"
