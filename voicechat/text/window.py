"""How much of a conversation is told again: the newest that a model's context has room for."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

MOST_ITEMS = 40
MOST_CHARS = 12_000
"""About 3000 tokens of four letters or one Chinese sign: enough to go on, and below every model's context."""


def newest_that_fit(items: Sequence[T], words: Callable[[T], str]) -> list[T]:
    """The last of `items` that fit, oldest first; the newest always does."""
    kept: list[T] = []
    chars = 0
    for item in reversed(items[-MOST_ITEMS:]):
        text = words(item)
        chars += len(text) + 3 * sum("\u2e80" <= letter <= "\uffef" for letter in text)
        if chars > MOST_CHARS and kept:
            break
        kept.append(item)
    return kept[::-1]
