"""What tools print goes to the log: stdout belongs to the conversation's own lines, or its sound."""

import contextlib
import io
import logging
from collections.abc import Iterator

log = logging.getLogger(__name__)

LONGEST_LINE = 1000


class _Printed(io.TextIOBase):
    """Whole lines to the log; `print` may come from any thread."""

    def __init__(self) -> None:
        self._rest = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, rest = (self._rest + text).split("\n")
        self._rest = rest[:LONGEST_LINE]
        for line in lines:
            log.info("a tool printed: %s", line[:LONGEST_LINE])
        return len(text)


@contextlib.contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """Whoever has taken `sys.stdout` before goes on writing to it; everybody else writes to the log."""
    with contextlib.redirect_stdout(_Printed()):
        yield
