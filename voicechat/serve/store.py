"""What gateways share: counts, leases, sums and short texts, by name. In memory for one, in Redis for several.

The rules (which limit, which refusal) are above, in `Budget` and `Secrets`: here is only what must be atomic.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Protocol

MOST_KEPT = 10_000
"""Texts that memory keeps at once."""


class Unreachable(Exception):
    """The store does not answer, or takes no more: nothing is known, so nobody new is let in."""


class Store(Protocol):
    """Every method but `release` and `close` raises Unreachable."""

    async def allow(self, key: str, most: int, window_s: float) -> bool:
        """Count one more, unless there were `most` in the last `window_s`."""
        ...

    async def lease(self, key: str, holder: str, most: int, life_s: float) -> bool:
        """Take one of `most` places. It comes free by itself `life_s` after the last `renew`."""
        ...

    async def renew(self, life_s: float) -> None:
        """Keep every place that was taken by this object, even if the store has forgotten it."""
        ...

    async def release(self, key: str, holder: str) -> None: ...

    async def add(self, key: str, amount: float, life_s: float, once: str) -> float:
        """The sum under this name, which is forgotten `life_s` after the last addition.

        `once` names the addition: whoever does not know whether it arrived may try again.
        """
        ...

    async def total(self, key: str) -> float: ...

    async def put(self, key: str, text: str, life_s: float | None) -> None:
        """Keep a text; None is for good."""
        ...

    async def get(self, key: str) -> str | None: ...

    async def close(self) -> None: ...


class MemoryStore:
    """Of one gateway. `clock` is in unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time):
        self._clock = clock
        self._times: defaultdict[str, deque[float]] = defaultdict(deque)
        self._holders: defaultdict[str, set[str]] = defaultdict(set)
        self._sums: dict[str, tuple[float, float]] = {}
        self._texts: dict[str, tuple[str, float]] = {}

    async def allow(self, key: str, most: int, window_s: float) -> bool:
        now, recent = self._clock(), self._times[key]
        while recent and recent[0] <= now - window_s:
            recent.popleft()
        if len(recent) >= most:
            return False
        recent.append(now)
        return True

    async def lease(self, key: str, holder: str, most: int, life_s: float) -> bool:
        """Whoever holds a place dies with this process: none has to come free by itself."""
        holders = self._holders[key]
        if holder not in holders and len(holders) >= most:
            return False
        holders.add(holder)
        return True

    async def renew(self, life_s: float) -> None: ...

    async def release(self, key: str, holder: str) -> None:
        self._holders[key].discard(holder)

    async def add(self, key: str, amount: float, life_s: float, once: str) -> float:
        """It always arrives."""
        now = self._clock()
        self._sums = {name: kept for name, kept in self._sums.items() if kept[1] > now}
        total = self._sums.get(key, (0.0, 0.0))[0] + amount
        self._sums[key] = (total, now + life_s)
        return total

    async def total(self, key: str) -> float:
        amount, until = self._sums.get(key, (0.0, 0.0))
        return amount if until > self._clock() else 0.0

    async def put(self, key: str, text: str, life_s: float | None) -> None:
        now = self._clock()
        self._texts = {name: kept for name, kept in self._texts.items() if kept[1] > now}
        if len(self._texts) >= MOST_KEPT:
            raise Unreachable("too much is kept")
        self._texts[key] = (text, float("inf") if life_s is None else now + life_s)

    async def get(self, key: str) -> str | None:
        text, until = self._texts.get(key, (None, 0.0))
        return text if until > self._clock() else None

    async def close(self) -> None: ...
