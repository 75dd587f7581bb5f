"""One turn of the user's speech: its partial words while they are spoken, its text at the end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from voicechat.engine.ear import Ear, NotUnderstood, Utterance
from voicechat.engine.items import Item

_EVENT = "conversation.item.input_audio_transcription"


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
    """Owns the utterance in the recogniser and the task that reports on it."""

    def __init__(self, item_id: str, send: Callable[..., Awaitable[None]], report: bool):
        self.item_id = item_id
        self.audio_ms = 0.0
        self.text: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._send = send
        self._report = report
        self._words = StableWords()
        self._delta = ""
        self._wake = asyncio.Event()
        self._item: Item | None = None
        self._utterance: Utterance | None = None
        self.task: asyncio.Task[None] | None = None

    async def begin(self, ear: Ear, commands: bool) -> None:
        self._utterance = await ear.listen(commands, self._partial)
        self.task = asyncio.create_task(self._run(self._utterance), name="offline-hearing")

    async def feed(self, pcm: bytes) -> None:
        """16 kHz s16le."""
        assert self._utterance is not None
        self.audio_ms += len(pcm) / 32
        await self._utterance.feed(pcm)

    async def finish(self, item: Item) -> None:
        """The speech has become `item`: its transcript will be put there."""
        assert self._utterance is not None
        self._item = item
        await self._utterance.finish()

    async def abandon(self) -> None:
        assert self._utterance is not None
        await self._utterance.abandon()
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})

    def _partial(self, hypothesis: str) -> None:
        self._delta += self._words.feed(hypothesis)
        self._wake.set()

    async def _run(self, utterance: Utterance) -> None:
        final = asyncio.create_task(utterance.text(), name="offline-transcript")
        final.add_done_callback(lambda _: self._wake.set())
        try:
            while not final.done():
                await self._wake.wait()
                self._wake.clear()
                delta, self._delta = self._delta, ""
                if delta and self._report and not final.done():
                    await self._transcription("delta", delta=delta)
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
                error = {"type": "transcription_error", "code": "server_error", "message": str(failure)}
                await self._transcription("failed", error=error)
            return
        if self._item is not None:
            self._item.content = [{"type": "input_audio", "transcript": text}]
        if self._report:
            usage = {"type": "duration", "seconds": round(self.audio_ms / 1000, 2)}
            await self._transcription("completed", transcript=text, usage=usage)
        self.text.set_result(text)

    async def _transcription(self, kind: str, **fields: Any) -> None:
        await self._send(f"{_EVENT}.{kind}", item_id=self.item_id, content_index=0, **fields)
