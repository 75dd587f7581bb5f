"""How much each token has used: requests in the last minute, minutes of sessions today."""

import time
from collections import defaultdict, deque
from collections.abc import Callable

from voicechat.serve import refusals
from voicechat.serve.tokens import Grant

DAY_S = 86_400


class Budget:
    """In this process' memory; days are UTC's. `clock` is in unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time):
        self._clock = clock
        self._requests: defaultdict[str, deque[float]] = defaultdict(deque)
        self._used_s: defaultdict[str, float] = defaultdict(float)
        self._day = 0

    def request(self, grant: Grant) -> None:
        """One more. Raises Refusal when there were too many in the last minute."""
        if grant.requests_per_minute is None:
            return
        now, recent = self._clock(), self._requests[grant.name]
        while recent and recent[0] <= now - 60:
            recent.popleft()
        if len(recent) >= grant.requests_per_minute:
            raise refusals.busy(f"This token may ask {grant.requests_per_minute} times a minute.")
        recent.append(now)

    def left_s(self, grant: Grant) -> float | None:
        """How much longer this token may talk today; None: as long as it likes."""
        self._new_day()
        if grant.minutes_per_day is None:
            return None
        return max(0.0, grant.minutes_per_day * 60 - self._used_s[grant.name])

    def used(self, grant: Grant, seconds: float) -> None:
        self._new_day()
        self._used_s[grant.name] += seconds

    def _new_day(self) -> None:
        today = int(self._clock() // DAY_S)
        if today != self._day:
            self._day = today
            self._used_s.clear()
