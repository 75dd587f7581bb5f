"""One turn of the user's speech: what is understood while it is spoken, its text at the end."""

import asyncio
import re
from collections.abc import Awaitable, Callable

from voicechat.audio.resample import Resampler
from voicechat.engine import recogniser
from voicechat.engine.ear import Ear
from voicechat.engine.items import BYTES_PER_MS, Item
from voicechat.engine.recogniser import Hypothesis
from voicechat.engine.smart_turn import Melody, SmartTurn
from voicechat.engine.synthesiser import RATE_HZ
from voicechat.engine.utterance import NotUnderstood, Utterance
from voicechat.realtime import events as ev

_WORD = re.compile(r"\s*(?:[\u3400-\u9fff]|[^\s\u3400-\u9fff]+)")
"""A Chinese sign is a word by itself."""


class Hearing:
    """Owns the utterance in the recogniser and the task that reports on it. Must be made on the running loop.

    `settled` is called when nothing has been said for a while, with the text and with what the melody says of it, where
    `ends` is asked.
    """

    def __init__(
        self,
        item_id: str,
        tell: Callable[[ev.Event], Awaitable[None]],
        ear: Ear,
        settled: Callable[[str, float | None], None],
        *,
        report: bool,
        ends: SmartTurn | None = None,
    ):
        self.item_id = item_id
        self.audio_ms = 0.0
        self.text: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tell = tell
        self._settled = settled
        self._report = report
        self._melody = Melody(ends, self._decide) if ends is not None else None
        self._settled_text: str | None = None
        self._told = ""
        self._so_far = ""
        self._wake = asyncio.Event()
        self._item: Item | None = None
        self._resampler = Resampler(RATE_HZ, recogniser.RATE_HZ)
        self._utterance: Utterance = ear.listen(self._partial)
        self.task = asyncio.create_task(self._run(), name="offline-hearing")

    def feed(self, pcm: bytes, quiet_ms: int) -> None:
        """s16le mono at the session's rate; nobody has spoken for the last `quiet_ms`."""
        self.audio_ms += len(pcm) / BYTES_PER_MS
        pcm = self._resampler.feed(pcm)
        self._utterance.feed(pcm, quiet_ms)
        if self._melody is not None:
            self._melody.feed(pcm, quiet_ms)

    def finish(self, item: Item) -> None:
        """The speech has become `item`: its transcript will be put there."""
        self._item = item
        self._utterance.finish()

    async def abandon(self) -> None:
        self._utterance.abandon()
        self.task.cancel()
        await asyncio.wait({self.task})

    def _partial(self, hypothesis: Hypothesis) -> None:
        self._settled_text = hypothesis.text if hypothesis.settled else None
        self._decide()
        self._so_far = presentable(hypothesis)
        self._wake.set()

    def _decide(self) -> None:
        """Whatever is asked has answered in the silence that goes on."""
        if self._settled_text is None or self._item is not None:
            return
        if self._melody is None:
            self._settled(self._settled_text, None)
        elif self._melody.known:
            self._settled(self._settled_text, self._melody.finished)

    async def _run(self) -> None:
        final = asyncio.create_task(self._utterance.text(), name="offline-transcript")
        final.add_done_callback(lambda _: self._wake.set())
        try:
            while not final.done():
                await self._wake.wait()
                self._wake.clear()
                if self._report and self._so_far not in ("", self._told) and not final.done():
                    self._told = self._so_far
                    await self._tell(ev.UserTranscript(self.item_id, self._told, final=False))
            await self._finish(final)
        finally:
            final.cancel()
            if self._melody is not None:
                self._melody.close()
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


def presentable(hypothesis: Hypothesis) -> str:
    """What is worth showing: of several words not the one that was being spoken, and no full stop but at the end."""
    if hypothesis.settled:
        return hypothesis.text
    words = _WORD.findall(hypothesis.text)
    return "".join(words[:-1] or words).strip().rstrip(".,!?;:")
