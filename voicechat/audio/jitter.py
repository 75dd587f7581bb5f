"""How much of a head start a reply needs, learned from how evenly this session's audio has come."""

from collections import deque

MOST_MS = 300.0
EVEN_MS = 5.0
"""Lateness that a player does not notice: half a block."""
SPARE_MS = 20.0
REPLIES = 5
"""A network is judged by its last replies: an old hiccup is forgotten."""


class HeadBuffer:
    """Fed with the arrival of every piece of audio; `prime_ms` is the head buffer for the next reply.

    A piece is late by the time that a speaker which began with the first piece would have stood still for it.
    """

    def __init__(self) -> None:
        self._reply = ""
        self._began = 0.0
        self._late_ms: deque[float] = deque(maxlen=REPLIES)

    def arrived(self, reply: str, before_ms: float, at: float) -> None:
        """Audio came at monotonic time `at`, after `before_ms` of the same reply."""
        if reply != self._reply:
            self._reply, self._began = reply, at
            self._late_ms.append(0.0)
            return
        late_ms = (at - self._began) * 1000 - before_ms
        self._late_ms[-1] = max(self._late_ms[-1], late_ms)

    @property
    def prime_ms(self) -> float:
        worst = max(self._late_ms, default=0.0)
        return 0.0 if worst <= EVEN_MS else min(worst + SPARE_MS, MOST_MS)
