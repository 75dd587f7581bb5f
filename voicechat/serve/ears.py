"""Recognisers that are kept warm between recordings, each in a process of its own."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from voicechat.engine.ear import ProcessEar
from voicechat.engine.forks import ForkServer
from voicechat.serve.places import Places

log = logging.getLogger(__name__)


class Ears:
    """At most `at_once` recognisers (two at least); they load when they are first needed. One of them is never a
    recording's: what somebody says, and waits for an answer to, does not wait behind recordings."""

    def __init__(self, at_once: int, ears: str = "", language: str = "", forks: ForkServer | None = None):
        self._places = Places(max(2, at_once))
        self._recordings = Places(max(1, at_once - 1))
        self._idle: list[ProcessEar] = []
        self._all: list[ProcessEar] = []
        self._model = (ears, language)
        self._forks = forks

    @asynccontextmanager
    async def for_a_recording(self) -> AsyncIterator[ProcessEar]:
        """A recogniser of one's own while inside. Raises Refusal when too many wait."""
        async with self._recordings.one(), self._one() as ear:
            try:
                yield ear
            except (asyncio.CancelledError, GeneratorExit):
                # It would work on for a while on what nobody wants, and whoever is next would wait.
                self._all.remove(ear)
                await asyncio.shield(ear.close())
                raise

    @asynccontextmanager
    async def _one(self) -> AsyncIterator[ProcessEar]:
        async with self._places.one():
            # The one that came back first: another may still work on what was given up.
            ear = self._idle.pop(0) if self._idle else self._new()
            try:
                yield ear
            finally:
                if ear in self._all:
                    self._idle.append(ear)

    async def understand(self, pcm: bytes) -> str:
        """As `understood`, by whichever is free. Raises Refusal when too many wait."""
        async with self._one() as ear:
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
