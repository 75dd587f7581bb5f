"""The user's words, written down here where the model behind does not write them down."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from voicechat.audio.resample import Resampler
from voicechat.engine.recogniser import RATE_HZ
from voicechat.engine.utterance import NotUnderstood
from voicechat.realtime import events as ev
from voicechat.serve.refusals import Refusal

PATIENCE_S = 5.0
"""From the end of a turn: some services recognise late. One that has not done it once is not waited for again."""
MOST_WAITING = 4

Hear = Callable[[bytes], Awaitable[str]]
"""The words of s16le mono at 16 kHz. Raises NotUnderstood, Refusal when nobody has time."""


class Scribe:
    """Told of every event; `tell` takes the words that nobody else gave. It learns whether the model gives them."""

    def __init__(self, hear: Hear, tell: Callable[[ev.Event], None], rate_hz: int, patience_s: float = PATIENCE_S):
        self._hear = hear
        self._tell = tell
        self._rate_hz = rate_hz
        self._patience_s = patience_s
        self._writes_itself = False
        self._hopeless = asyncio.Event()
        """It did not once, or said that it cannot: nobody waits for it again."""
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def committed(self, item_id: str, pcm: bytes) -> None:
        """The turn is over, and its words are wanted."""
        if not self._writes_itself and pcm and len(self._tasks) < MOST_WAITING:
            task = asyncio.create_task(self._write(item_id, pcm), name="transcript")
            self._tasks[item_id] = task
            task.add_done_callback(lambda _: self._tasks.pop(item_id, None))

    def take(self, event: ev.Event) -> bool:
        """Whether the client is to be told: not of a failure that is made up for, nor of words twice."""
        match event:
            case ev.UserTranscript():
                self._writes_itself = True
                if (task := self._tasks.pop(event.item_id, None)) is not None:
                    task.cancel()
            case ev.UserTranscriptFailed(item_id=item_id) if item_id in self._tasks:
                self._hopeless.set()
                return False
        return True

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, item_id: str, pcm: bytes) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience_s):
                await self._hopeless.wait()
        self._hopeless.set()
        try:
            text = await self._hear(await asyncio.to_thread(_at_16_khz, pcm, self._rate_hz))
        except (NotUnderstood, Refusal) as error:
            self._tell(ev.UserTranscriptFailed(item_id, str(error)))
            return
        self._tell(ev.UserTranscript(item_id, text, final=True))


def _at_16_khz(pcm: bytes, rate_hz: int) -> bytes:
    return Resampler(rate_hz, RATE_HZ).feed(pcm, last=True)
