"""Loops of a recogniser: a word or a phrase that it writes over and over, though it was said once."""

import re
from functools import cache

SPOKEN_MOST = 7
"""People say "no, no, no, no", and "very" four times; a loop goes on for as long as the model may."""
_NUMBER = re.compile(
    r"[\d零〇一二三四五六七八九十百千万两幺]|"
    r"\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|double|point)\b",
    re.IGNORECASE,
)
"""Never taken for a loop: 10000, and a telephone number of eights."""


def without_loops(text: str, most: int = SPOKEN_MOST) -> str:
    """The text with what comes more than `most` times in a row said once: up to four words, or twelve letters of a
    script without spaces."""
    for loop in _loops(most):
        text = loop.sub(lambda match: match[0] if _NUMBER.search(match[1]) else match[1], text)
    return text


@cache
def _loops(most: int) -> tuple[re.Pattern[str], re.Pattern[str]]:
    words = rf"\b(\w+(?:[ ,]+\w+){{0,3}})(?:[\s,]+\1\b){{{most},}}"
    signs = rf"([\u2e80-\uffef]{{2,12}}?)(?:[\s,，、]*\1){{{most},}}"
    return re.compile(words, re.IGNORECASE), re.compile(signs)
