"""Checks of values: what a valid one is, and the sentence for one that is not."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, get_args

from ..errors import InvalidInputError
from ..models import ModelDefinition
from .layouts import Layout
from .render.job import MAX_FPS

SECONDS = "a number of seconds, 0 or more"


def is_whole(value: object, least: int = 0, most: int = 10**12) -> bool:
    """Return whether a value is a whole number within bounds."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_seconds(value: object) -> bool:
    """Return whether a value is a number of seconds."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 10**9


def number_text(value: float) -> str:
    """Return a number as text without an exponent, such as ``0.00001``."""
    return f"{value:.15f}".rstrip("0").rstrip(".")


def _are_keys(value: object) -> bool:
    is_list = isinstance(value, Collection) and not isinstance(value, (str, bytes))
    return is_list and all(isinstance(key, str) and key.strip() for key in value)  # type: ignore[attr-defined]


def check_arguments(**given: Any) -> None:
    """Check the arguments of an emulator.

    Raises:
        InvalidInputError: One of them is invalid.
    """
    models = given["models"]
    are_models = isinstance(models, Iterable) and all(isinstance(model, ModelDefinition) for model in models)
    rules = {
        "pending": (SECONDS, is_seconds(given["pending"])),
        "processing": (SECONDS, is_seconds(given["processing"])),
        "api_keys": ("a list of keys, none of them empty", given["api_keys"] is None or _are_keys(given["api_keys"])),
        "models": ("a list of ModelDefinition", are_models),
        "keep": ("a whole number, 1 or more", is_whole(given["keep"], 1)),
        "layout": ("'start', 'end' or 'service'", given["layout"] in get_args(Layout)),
        "fps": (f"a whole number between 1 and {MAX_FPS}", given["fps"] is None or is_whole(given["fps"], 1, MAX_FPS)),
    }
    for name, (what, is_valid) in rules.items():
        if not is_valid:
            shown = "" if name == "api_keys" else f", not {str(given[name])[:100]!r}"
            raise InvalidInputError(f"Emulator: {name} must be {what}{shown}.")
