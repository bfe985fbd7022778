"""Programs that the tests run in processes of their own."""

from __future__ import annotations

import os

UNMEASURED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
"""The environment of a program that is killed, or may not write files: coverage would save half of its data."""
