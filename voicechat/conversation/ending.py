"""When a conversation is over by itself: nothing more can come, and all that came has been played."""

import time
from collections.abc import Callable

LINGER_S = 1.0
"""After the input's end: how long the service may take to notice speech in it, beyond its own patience."""
LATE_TRANSCRIPT_S = 3.0
"""How long the words of a turn may come after the answer to it."""


class Ending:
    """Counts from the moment on which the end of the input was first seen."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._since: float | None = None

    def begin(self) -> None:
        """The input has ended, or there was only the opening."""
        if self._since is None:
            self._since = self._clock()

    def reached(self, settled_at: float, linger_s: float, *, untold: bool) -> bool:
        """Whether it has been quiet for long enough. `untold`: words of the user may still come."""
        if self._since is None:
            return False
        quiet_s = self._clock() - max(self._since, settled_at)
        return quiet_s >= max(linger_s, LATE_TRANSCRIPT_S if untold else 0.0)
