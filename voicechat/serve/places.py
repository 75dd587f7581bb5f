"""Room for so many at once, and for so many who wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from voicechat.serve import refusals

MOST_WAITING = 16


class Places:
    def __init__(self, at_once: int, most_waiting: int = MOST_WAITING):
        self._free = asyncio.Semaphore(at_once)
        self._most_waiting = most_waiting
        self._waiting = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A place of one's own while inside. Raises Refusal when too many wait: they are not kept."""
        if self._free.locked() and self._waiting >= self._most_waiting:
            raise refusals.full()
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
