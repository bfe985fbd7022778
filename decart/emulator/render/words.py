"""Find known words in a prompt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping


def words_of(prompt: str) -> frozenset[str]:
    """Return the words of a prompt in lower case, and each word that ends in s also without it."""
    words = re.findall(r"[^\W_]+", prompt.lower())
    return frozenset(words) | frozenset(word.removesuffix("s") for word in words)


def matches(prompt: str, meanings: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the meanings that a word of the prompt stands for, in the order of the mapping.

    Args:
        prompt: Free text.
        meanings: For each meaning, the words that stand for it.
    """
    words = words_of(prompt)
    return [name for name, known in meanings.items() if not words.isdisjoint(known)]
