"""The last line of defence for keys: what is known to be one is taken out of every log line and error message.

Nothing is meant to get there in the first place. But libraries and services quote what they were given, and an
unexpected error may hold anything.
"""

import logging

MASK = "***"
SHORTEST = 8
"""Anything shorter is no key, and would take words out of the middle of sentences."""

_known: set[str] = set()


def remember(*secrets: str) -> None:
    """From now on `redact` takes these out. Empty and very short ones are ignored."""
    _known.update(secret.strip() for secret in secrets if len(secret.strip()) >= SHORTEST)


def redact(text: str) -> str:
    """`text` without any secret that is remembered."""
    for secret in sorted(_known, key=len, reverse=True):  # one key may be the beginning of another
        text = text.replace(secret, MASK)
    return text


class RedactingFormatter(logging.Formatter):
    """Redacts whole records, tracebacks included, and escapes control characters: a log is read on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        text = redact(super().format(record))
        return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)
