"""One response, from its beginning to its one end, interruptible at any moment."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from voicechat.engine.answerer import Answerer, Message, ToolUser, Wanted
from voicechat.engine.items import BYTES_PER_MS, Conversation, Item
from voicechat.engine.synthesiser import Synthesiser
from voicechat.realtime import events as ev
from voicechat.realtime.commands import Tool

log = logging.getLogger(__name__)

Tell = Callable[[ev.Event], Awaitable[None]]
Reason = Literal["turn_detected", "client_cancelled"]

NOT_HEARD = "Sorry, I did not catch that."
NOISE_MS = 1000
"""A turn shorter than this (pauses included) without a word in it was a noise: it is not answered."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one response answers: the session's settings, with those of its `CreateResponse` over them."""

    spoken: bool
    instructions: str
    voice: str
    speed: float
    words: str = ""
    """The answer, when it is prescribed."""
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    owed: bool = False
    """The turn interrupted an answer before its first word: that is given after all when the turn was a noise."""


class EngineResponse:
    """Run it as a task: `begin`, then `run`. `interrupt` from another task ends it early and awaits its end."""

    def __init__(
        self,
        ids: tuple[str, str],
        answers: str,
        tell: Tell,
        conversation: Conversation,
        answerer: "asyncio.Task[Answerer]",
        synthesiser: Synthesiser,
        delivery: Delivery,
    ):
        self.id, item_id = ids
        self._answers = answers
        self._tell = tell
        self._conversation = conversation
        self._answerer = answerer
        self._synthesiser = synthesiser
        self._delivery = delivery
        self._item = Item(item_id, role="assistant", in_progress=True)
        self.begun = False
        """Something of it has been said."""
        self._text = ""
        self._reason: Reason | None = None
        self._producer: asyncio.Task[None] | None = None
        self._input: tuple[int, int] = (0, 0)
        self.done = asyncio.Event()

    async def begin(self) -> None:
        await self._tell(ev.ResponseStarted(self.id, self._answers))

    async def run(self) -> None:
        self._producer = asyncio.create_task(self._produce(), name="offline-answer")
        try:
            if self._reason is not None:
                self._producer.cancel()
            await asyncio.wait({self._producer})
        finally:
            self._producer.cancel()
            await asyncio.wait({self._producer})
        try:
            await self._finish(None if self._producer.cancelled() else self._producer.exception())
        finally:
            self.done.set()

    async def interrupt(self, reason: Reason) -> None:
        """Stop synthesis and answerer at once; returns when the end has been told."""
        if self._reason is None:
            self._reason = reason
            if self._producer is not None:
                self._producer.cancel()
        await self.done.wait()

    async def _produce(self) -> None:
        if self._delivery.words:
            await self._say(self._delivery.words)
            return
        if heard := self._conversation.pending():
            await asyncio.wait(heard)
        history = self._conversation.history()
        self._input = self._conversation.tokens()
        spoken = self._conversation.last_spoken()
        owed = self._delivery.owed and history[-1:] and history[-1].role != "assistant"
        if spoken is not None and not spoken.text and not owed:
            if spoken.audio_ms >= NOISE_MS:
                await self._say(NOT_HEARD)
            return
        answerer = await asyncio.shield(self._answerer)
        # An answerer is written as an async generator; closing it is what stops the request behind it.
        async with aclosing(self._answer(answerer, history)) as pieces:
            async for piece in pieces:
                await (self._call(piece) if isinstance(piece, Wanted) else self._say(piece))

    def _answer(self, answerer: Answerer, history: list[Message]) -> AsyncGenerator[str | Wanted, None]:
        how = self._delivery
        if how.tools and how.tool_choice != "none" and isinstance(answerer, ToolUser):
            return answerer.answer_with(history, how.instructions, how.tools, how.tool_choice)
        return answerer.answer(history, how.instructions)

    async def _call(self, wanted: Wanted) -> None:
        item = Item(f"item_{secrets.token_hex(10)}", None, wanted.arguments, call_id=wanted.call_id, name=wanted.name)
        self._conversation.add(item)
        await self._tell(ev.ItemAdded(item.id, "", "function_call"))
        await self._tell(ev.ToolCall(self.id, item.id, wanted.call_id, wanted.name, wanted.arguments))

    async def _say(self, piece: str) -> None:
        if not self.begun:
            self.begun = True
            self._conversation.add(self._item)
            await self._tell(ev.ItemAdded(self._item.id, "assistant"))
        if not self._delivery.spoken or not piece.strip():
            await self._write(piece)
            return
        async with aclosing(self._synthesiser.speak(piece, self._delivery.voice, self._delivery.speed)) as blocks:
            async for block in blocks:
                # The words first, so that they are tied to the sound that follows them.
                if block.text:
                    await self._write(block.text)
                if block.pcm:
                    self._item.audio_ms += len(block.pcm) / BYTES_PER_MS
                    await self._tell(ev.AssistantAudio(self.id, self._item.id, 0, block.pcm))
                await asyncio.sleep(0)  # blocks come in bursts: let the microphone through between them

    async def _write(self, text: str) -> None:
        if not self._item.cut:
            self._item.marks.append((self._item.audio_ms, text))
        self._text += text
        await self._tell(ev.AssistantText(self.id, self._item.id, 0, text, self._delivery.spoken))

    async def _finish(self, error: BaseException | None) -> None:
        if error is not None:
            log.error("the answer failed", exc_info=error)
        if self.begun:
            if self._delivery.spoken:
                await self._tell(ev.AssistantAudioDone(self.id, self._item.id))
            self._item.in_progress = False
            if not self._item.cut:
                self._item.text = self._text.strip()
            await self._tell(ev.AssistantTextDone(self.id, self._item.id, 0, self._text, self._delivery.spoken))
        usage = self._usage()
        if error is not None:
            message = str(error) or type(error).__name__
            end = ev.ResponseFinished(self.id, "failed", message=message, code="server_error", usage=usage)
        elif self._reason is not None:
            end = ev.ResponseFinished(self.id, "cancelled", self._reason, usage=usage)
        else:
            end = ev.ResponseFinished(self.id, "completed", usage=usage)
        await self._tell(end)

    def _usage(self) -> ev.Usage:
        """An estimate in the service's own units: ten tokens per second of sound, one per four letters of text."""
        text_in, audio_in = self._input
        text_out, audio_out = len(self._text) // 4, round(self._item.audio_ms / 100)
        return ev.Usage(
            input_tokens=text_in + audio_in,
            output_tokens=text_out + audio_out,
            input_text_tokens=text_in,
            input_audio_tokens=audio_in,
            output_text_tokens=text_out,
            output_audio_tokens=audio_out,
        )
