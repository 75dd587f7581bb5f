"""One response, from `response.created` to the one `response.done`, interruptible at any moment."""

import asyncio
import logging
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from voicechat.engine.answerer import Answerer
from voicechat.engine.items import BYTES_PER_MS, Conversation, Item
from voicechat.engine.synthesiser import Synthesiser

log = logging.getLogger(__name__)

Json = dict[str, Any]
Send = Callable[..., Awaitable[None]]
"""`send(type, **fields)`: one server event."""
Reason = Literal["turn_detected", "client_cancelled"]

NOT_HEARD = "Sorry, I did not catch that."
NOISE_MS = 1000
"""A turn shorter than this (pauses included) without a word in it was a noise: it is not answered."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How one response answers: the session's settings, with those of its `response.create` over them."""

    spoken: bool
    instructions: str
    voice: str
    speed: float
    metadata: Json | None = None


class Response:
    """Run it as a task: `begin`, then `run`. `interrupt` from another task ends it early and awaits its end."""

    def __init__(
        self,
        ids: tuple[str, str],
        send: Send,
        conversation: Conversation,
        answerer: "asyncio.Task[Answerer]",
        synthesiser: Synthesiser,
        manner: Manner,
    ):
        self.id, item_id = ids
        self._send = send
        self._conversation = conversation
        self._answerer = answerer
        self._synthesiser = synthesiser
        self._manner = manner
        self._item = Item(item_id, role="assistant", status="in_progress")
        self._previous: str | None = None
        self._begun = False
        self._text = ""
        self._reason: Reason | None = None
        self._producer: asyncio.Task[None] | None = None
        self._input: tuple[int, int] = (0, 0)
        self.done = asyncio.Event()

    async def begin(self) -> None:
        await self._send("response.created", response=self._shape("in_progress"))

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
        """Stop synthesis and answerer at once; returns when the closing events have been sent."""
        if self._reason is None:
            self._reason = reason
            if self._producer is not None:
                self._producer.cancel()
        await self.done.wait()

    async def _produce(self) -> None:
        if heard := self._conversation.pending():
            await asyncio.wait(heard)
        history = self._conversation.history()
        self._input = self._conversation.tokens()
        spoken = self._conversation.last_spoken()
        if spoken is not None and not spoken.text:
            if spoken.audio_ms >= NOISE_MS:
                await self._say(NOT_HEARD)
            return
        answerer = await asyncio.shield(self._answerer)
        # An answerer is written as an async generator; closing it is what stops the request behind it.
        async with aclosing(answerer.answer(history, self._manner.instructions)) as pieces:
            async for piece in pieces:
                await self._say(piece)

    async def _say(self, piece: str) -> None:
        if not self._begun:
            await self._begin_item()
        if not self._manner.spoken:
            self._text += piece
            await self._part_event("response.output_text.delta", delta=piece)
            return
        if not piece.strip():
            await self._transcribe(piece)
            return
        async with aclosing(self._synthesiser.speak(piece, self._manner.voice, self._manner.speed)) as blocks:
            async for block in blocks:
                # The words first, so that they are tied to the sound that follows them.
                if block.text:
                    await self._transcribe(block.text)
                if block.pcm:
                    self._item.audio_ms += len(block.pcm) / BYTES_PER_MS
                    delta = b64encode(block.pcm).decode("ascii")
                    await self._part_event("response.output_audio.delta", delta=delta)
                await asyncio.sleep(0)  # blocks come in bursts: let the microphone through between them

    async def _transcribe(self, text: str) -> None:
        if not self._item.cut:
            self._item.marks.append((self._item.audio_ms, text))
        self._text += text
        await self._part_event("response.output_audio_transcript.delta", delta=text)

    async def _begin_item(self) -> None:
        self._begun = True
        self._previous = self._conversation.add(self._item)
        shape = self._item.shape()
        await self._send("response.output_item.added", response_id=self.id, output_index=0, item=shape)
        await self._send("conversation.item.added", previous_item_id=self._previous, item=shape)
        self._item.content = [self._content()]
        await self._part_event("response.content_part.added", part=self._part())

    async def _finish(self, error: BaseException | None) -> None:
        if error is not None:
            log.error("the answer failed", exc_info=error)
        status = "failed" if error is not None else "cancelled" if self._reason is not None else "completed"
        if self._begun:
            await self._close_item("completed" if status == "completed" else "incomplete")
        details: Json | None = None
        if error is not None:
            message = str(error) or type(error).__name__
            details = {"type": status, "error": {"type": "server_error", "code": "server_error", "message": message}}
        elif self._reason is not None:
            details = {"type": status, "reason": self._reason}
        await self._send("response.done", response=self._shape(status, details, self._usage()))

    async def _close_item(self, status: Literal["completed", "incomplete"]) -> None:
        if self._manner.spoken:
            await self._part_event("response.output_audio.done")
            await self._part_event("response.output_audio_transcript.done", transcript=self._text)
        else:
            await self._part_event("response.output_text.done", text=self._text)
        await self._part_event("response.content_part.done", part=self._part())
        self._item.status = status
        if not self._item.cut:
            self._item.content = [self._content()]
        shape = self._item.shape()
        await self._send("conversation.item.done", previous_item_id=self._previous, item=shape)
        await self._send("response.output_item.done", response_id=self.id, output_index=0, item=shape)

    async def _part_event(self, kind: str, **fields: Any) -> None:
        await self._send(kind, response_id=self.id, item_id=self._item.id, output_index=0, content_index=0, **fields)

    def _content(self) -> Json:
        if self._manner.spoken:
            return {"type": "output_audio", "transcript": self._text.strip()}
        return {"type": "output_text", "text": self._text.strip()}

    def _part(self) -> Json:
        if self._manner.spoken:
            return {"type": "audio", "transcript": self._text}
        return {"type": "text", "text": self._text}

    def _shape(self, status: str, details: Json | None = None, usage: Json | None = None) -> Json:
        audio_format = {"type": "audio/pcm", "rate": 24_000}
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [self._item.shape()] if self._begun else [],
            "conversation_id": self._conversation.id,
            "output_modalities": ["audio"] if self._manner.spoken else ["text"],
            "audio": {"output": {"format": audio_format, "voice": self._manner.voice}},
            "max_output_tokens": "inf",
            "metadata": self._manner.metadata,
            "usage": usage,
        }

    def _usage(self) -> Json:
        """An estimate in the service's own units: ten tokens per second of sound, one per four letters of text."""
        text_in, audio_in = self._input
        text_out, audio_out = len(self._text) // 4, round(self._item.audio_ms / 100)
        return {
            "total_tokens": text_in + audio_in + text_out + audio_out,
            "input_tokens": text_in + audio_in,
            "output_tokens": text_out + audio_out,
            "input_token_details": {"text_tokens": text_in, "audio_tokens": audio_in, "cached_tokens": 0},
            "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
        }
