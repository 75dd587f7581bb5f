"""The last line of defence for keys: what is known to be one is taken out of every log line and error message.

Nothing is meant to get there in the first place. But libraries and services quote what they were given, and an
unexpected error may hold anything.
"""

import logging
import re

MASK = "***"
SHORTEST = 4
"""Anything shorter is no key, and would take letters out of the middle of words."""
SURE = 8
"""From this length on a key is taken out wherever it stands; a shorter one only where it stands alone."""

_USER = re.compile(r"(?<=://)[^\s/?#@]*@")
"""A user and password in an address that a library quotes, the proxy's for instance: nobody remembered them."""
_LIKE_A_KEY = re.compile(
    r"(?<![\w/.@-])(?:sk|ek)[-_][A-Za-z0-9_*.\-]{6,}|(?<=Bearer )[^\s\"',;]+",
    re.IGNORECASE,
)
"""What looks like a key of anybody's, which a service quotes. Not in a path or a host's name."""

_known: set[str] = set()


def remember(*secrets: str) -> None:
    """From now on `redact` takes these out. Very short ones are ignored, and so is a short word ("test", "EMPTY"):
    what servers that want no key are given in its place, and what the program itself may say."""
    for secret in (given.strip() for given in secrets):
        a_word = secret.isalpha() and secret in (secret.lower(), secret.upper())
        if len(secret) >= SURE or (len(secret) >= SHORTEST and not a_word):
            _known.add(secret)


def redact(text: str) -> str:
    """`text` without any secret that is remembered, what looks like one, and a user and password in an address."""
    for secret in sorted(_known, key=len, reverse=True):  # one key may be the beginning of another
        if len(secret) >= SURE:
            text = text.replace(secret, MASK)
        else:
            text = re.sub(rf"(?<![\w-]){re.escape(secret)}(?![\w-])", MASK, text)
    return _LIKE_A_KEY.sub(MASK, _USER.sub(f"{MASK}@", text))


class RedactingFormatter(logging.Formatter):
    """Redacts whole records, tracebacks included, and escapes control characters: a log is read on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        text = redact(super().format(record))
        return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)
