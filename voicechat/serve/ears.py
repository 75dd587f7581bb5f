"""Recognisers that are kept warm between recordings, each in a process of its own."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from voicechat.engine.ear import ProcessEar
from voicechat.engine.forks import ForkServer
from voicechat.serve import refusals

log = logging.getLogger(__name__)

MOST_WAITING = 16
"""So many recordings may wait for an ear; whoever comes after them is sent away rather than kept."""


class Ears:
    """At most `at_once` recognisers; they load when they are first needed."""

    def __init__(self, at_once: int, ears: str = "", language: str = "", forks: ForkServer | None = None):
        self._at_once = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._idle: list[ProcessEar] = []
        self._all: list[ProcessEar] = []
        self._model = (ears, language)
        self._forks = forks

    @asynccontextmanager
    async def one(self) -> AsyncIterator[ProcessEar]:
        """A recogniser of one's own while inside. Raises Refusal when too many wait."""
        if self._waiting >= MOST_WAITING:
            raise refusals.full()
        self._waiting += 1
        try:
            await self._at_once.acquire()
        finally:
            self._waiting -= 1
        ear = self._idle.pop() if self._idle else self._new()
        try:
            yield ear
        finally:
            self._idle.append(ear)
            self._at_once.release()

    async def understand(self, pcm: bytes) -> str:
        """As `understood`, by whichever is free. Raises Refusal when too many wait."""
        async with self.one() as ear:
            return await understood(ear, pcm)

    def _new(self) -> ProcessEar:
        model, language = self._model
        ear = ProcessEar(log.warning, added=model, language=language, forks=self._forks)
        self._all.append(ear)
        return ear

    async def close(self) -> None:
        for ear in self._all:
            await ear.close()


async def understood(ear: ProcessEar, pcm: bytes) -> str:
    """The words of one utterance, s16le at 16 kHz. Raises NotUnderstood."""
    utterance = ear.listen(lambda _: None)
    try:
        utterance.feed(pcm, 0)
        utterance.finish()
        return (await utterance.text()).strip()
    finally:
        utterance.abandon()
