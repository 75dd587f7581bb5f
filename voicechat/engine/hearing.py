"""One turn of the user's speech: its partial words while they are spoken, its text at the end."""

import asyncio
from collections.abc import Awaitable, Callable

from voicechat.engine.ear import Ear, NotUnderstood, Utterance
from voicechat.engine.items import Item
from voicechat.realtime import events as ev


class StableWords:
    """Words of changing hypotheses as an append-only text: those that two hypotheses in a row begin with, except
    the last one, which is still being spoken."""

    def __init__(self) -> None:
        self._last: list[str] = []
        self._given: list[str] = []

    def feed(self, hypothesis: str) -> str:
        """What has become stable, "" when nothing has. Once a given word changes nothing more is given."""
        words = hypothesis.split()
        stable = 0
        for before, now in zip(self._last, words[:-1], strict=False):
            if before != now:
                break
            stable += 1
        self._last = words
        if stable <= len(self._given) or words[: len(self._given)] != self._given:
            return ""
        new = words[len(self._given) : stable]
        delta = (" " if self._given else "") + " ".join(new)
        self._given += new
        return delta


class Hearing:
    """Owns the utterance in the recogniser and the task that reports on it. Must be made on the running loop."""

    def __init__(
        self, item_id: str, tell: Callable[[ev.Event], Awaitable[None]], ear: Ear, *, commands: bool, report: bool
    ):
        self.item_id = item_id
        self.audio_ms = 0.0
        self.text: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tell = tell
        self._report = report
        self._words = StableWords()
        self._told = ""
        self._stable = ""
        self._wake = asyncio.Event()
        self._item: Item | None = None
        self._utterance: Utterance = ear.listen(commands, self._partial)
        self.task = asyncio.create_task(self._run(), name="offline-hearing")

    def feed(self, pcm: bytes) -> None:
        """16 kHz s16le."""
        self.audio_ms += len(pcm) / 32
        self._utterance.feed(pcm)

    def finish(self, item: Item) -> None:
        """The speech has become `item`: its transcript will be put there."""
        self._item = item
        self._utterance.finish()

    async def abandon(self) -> None:
        self._utterance.abandon()
        self.task.cancel()
        await asyncio.wait({self.task})

    def _partial(self, hypothesis: str) -> None:
        self._stable += self._words.feed(hypothesis)
        self._wake.set()

    async def _run(self) -> None:
        final = asyncio.create_task(self._utterance.text(), name="offline-transcript")
        final.add_done_callback(lambda _: self._wake.set())
        try:
            while not final.done():
                await self._wake.wait()
                self._wake.clear()
                if self._report and self._stable != self._told and not final.done():
                    self._told = self._stable
                    await self._tell(ev.UserTranscript(self.item_id, self._told, final=False))
            await self._finish(final)
        finally:
            final.cancel()
            if not self.text.done():
                self.text.set_result("")

    async def _finish(self, final: "asyncio.Task[str]") -> None:
        try:
            text = final.result()
        except NotUnderstood as failure:
            if self._report:
                await self._tell(ev.UserTranscriptFailed(self.item_id, str(failure)))
            return
        if self._item is not None:
            self._item.text = text
        if self._report:
            await self._tell(ev.UserTranscript(self.item_id, text, final=True))
        self.text.set_result(text)
