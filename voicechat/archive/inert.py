"""Words made safe for files that somebody will read with `cat`."""

import re

_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Commands to a terminal and what reorders a line. Not the line's end."""


def inert(text: str) -> str:
    """`text` with harmful characters written as `\\uXXXX`, which in JSON leaves its value the same."""
    return _HARMFUL.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
