"""How much of a conversation is told again: the newest that a model's context has room for."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

MOST_ITEMS = 40
MOST_TOKENS = 3000
"""Enough to go on, and below every model's context: Ollama gives 4096 unless it is told otherwise."""
_LATIN, _ALPHABET = 0.25, 0.5
"""Tokens a letter: four Latin letters are one, two of another alphabet; any other sign is one by itself."""


def newest_that_fit(items: Sequence[T], words: Callable[[T], str], used: int = 0) -> list[T]:
    """The last of `items` that fit beside `used` tokens, oldest first; the newest always does."""
    kept: list[T] = []
    for item in reversed(items[-MOST_ITEMS:]):
        used += tokens(words(item))
        if used > MOST_TOKENS and kept:
            break
        kept.append(item)
    return kept[::-1]


def tokens(text: str) -> int:
    """About how many a model makes of it; models differ, this is on the safe side."""
    latin = sum(letter < "\u0250" for letter in text)
    alphabets = sum("\u0250" <= letter < "\u0900" or "\u1e00" <= letter < "\u2000" for letter in text)
    return round(latin * _LATIN + alphabets * _ALPHABET + (len(text) - latin - alphabets))
