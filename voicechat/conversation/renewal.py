"""When a connection should be left before it ends by itself: its session grows old, or the machine has slept."""

import time
from collections.abc import Callable

AHEAD_S = 60.0
"""A session is renewed in the first pause within its last minute, or its last quarter if it is that short."""
SHORTEST_S = 5.0
"""What is said to end sooner is the word of another clock."""
SLEPT_S = 10.0
"""Wall clock and monotonic clock part by this much only when the machine slept, or the clock was set. Where both go on
meanwhile (Windows) the question itself comes so late."""


class Renewal:
    """Asked a few times a second. `wall` is unix time, `monotonic` stands still while the machine sleeps."""

    def __init__(
        self,
        limit_s: float | None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ):
        self._limit_s = limit_s
        self._wall = wall
        self._monotonic = monotonic
        self._asked = False
        self._due_at: float | None = None
        self._apart = wall() - monotonic()
        self._asked_at: float | None = None

    def session_began(self, expires_at: float | None) -> None:
        """The service's own word (unix seconds) is worth more than the catalogue's limit."""
        self._asked = False
        now = self._wall()
        told_s = expires_at - now if expires_at is not None else 0.0
        lifetime_s = told_s if told_s > SHORTEST_S else self._limit_s
        self._due_at = None if lifetime_s is None else now + lifetime_s - min(AHEAD_S, lifetime_s / 4)

    def ask(self) -> None:
        """A new session is wanted for another reason than its age."""
        self._asked = True

    @property
    def due(self) -> bool:
        """The session will not last much longer, or is not what is wanted."""
        return self._asked or (self._due_at is not None and self._wall() >= self._due_at)

    def slept(self) -> bool:
        """Whether the machine has slept since the last question, or this program was stopped for as long."""
        now = self._monotonic()
        apart = self._wall() - now
        before, self._apart = self._apart, apart
        asked_at, self._asked_at = self._asked_at, now
        return apart - before > SLEPT_S or (asked_at is not None and now - asked_at > SLEPT_S)
