"""Text to speech, streaming: the protocol, and espeak-ng."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from voicechat.audio.resample import Resampler

RATE_HZ = 24_000
"""What a synthesiser gives: s16le mono at this rate."""

WORDS_PER_MINUTE = 165
"""espeak-ng's own default is 175; answers are easier to follow a little slower."""

_BLOCKS_AHEAD = 1000
"""How far the library may run ahead of the consumer (60 s): more than a sentence, for while it waits for room no
other conversation in this process can speak.
"""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A block of speech, and the text whose sound begins in it ("" when a word merely goes on)."""

    text: str
    pcm: bytes


class Synthesiser(Protocol):
    def knows(self, voice: str) -> bool: ...

    def speak(self, text: str, voice: str, speed: float) -> AsyncGenerator[Spoken, None]:
        """Speak one sentence; the texts joined are `text`. Closing the iterator stops the synthesis at once."""
        ...

    async def close(self) -> None: ...


class EspeakSynthesiser:
    """espeak-ng in one worker thread; the first block is on its way while the rest is still being made."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="offline-speech")

    def knows(self, voice: str) -> bool:
        from voicechat.engine.espeak import find_voice

        return find_voice(voice) is not None

    async def speak(self, text: str, voice: str, speed: float) -> AsyncGenerator[Spoken, None]:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Spoken | None] = asyncio.Queue(_BLOCKS_AHEAD + 1)
        room = threading.Semaphore(_BLOCKS_AHEAD)
        stopped = threading.Event()

        def deliver(item: Spoken) -> bool:
            while not room.acquire(timeout=0.05):
                if stopped.is_set():
                    return False
            loop.call_soon_threadsafe(queue.put_nowait, item)
            return not stopped.is_set()

        def work() -> None:
            try:
                _speak(text, voice, speed, deliver)
            finally:
                loop.call_soon_threadsafe(queue.put_nowait, None)

        done = loop.run_in_executor(self._worker, work)
        try:
            while (item := await queue.get()) is not None:
                room.release()
                yield item
            await done
        finally:
            stopped.set()

    async def close(self) -> None:
        # Whatever still runs was told to stop: one more job through the queue and the thread is idle.
        await asyncio.get_running_loop().run_in_executor(self._worker, bool)
        self._worker.shutdown()


def _speak(text: str, voice: str, speed: float, deliver: Callable[[Spoken], bool]) -> None:
    from voicechat.engine import espeak

    resampler = Resampler(espeak.rate_hz(), RATE_HZ)
    shown = 0

    def on_block(pcm: bytes, words: list[tuple[int, int]]) -> bool:
        nonlocal shown
        end = shown
        for start, length in words:
            end = max(end, _with_punctuation(text, start + length))
        piece, shown = text[shown:end], end
        block = resampler.feed(pcm) if pcm else b""
        return deliver(Spoken(piece, block)) if piece or block else True

    espeak.synthesise(text, voice, round(WORDS_PER_MINUTE * speed), on_block)
    deliver(Spoken(text[shown:], resampler.feed(b"", last=True)))


def _with_punctuation(text: str, end: int) -> int:
    while end < len(text) and not text[end].isalnum():
        end += 1
    return min(end, len(text))
