"""One response: the ladder of events from `response.created` to `response.done`, interruptible between deltas."""

import asyncio
import base64
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.realtime_server.script import OUTPUT_RATE_HZ, Reply, ToolUse
from tests.realtime_server.vad import encode

if TYPE_CHECKING:
    from tests.realtime_server.session import Session

Json = dict[str, Any]
TIMES = {"once": 1, "doubled": 2, "missing": 0}


class Response:
    """Started by `start`; `cancel` returns when its `response.done` has been sent."""

    def __init__(self, session: "Session", reply: Reply, asked: Json):
        self.session, self.reply, self.asked = session, reply, asked
        self.id = session.new_id("resp")
        self.in_conversation = asked.get("conversation", "auto") != "none"
        self.said = ""
        self.output: list[Json] = []
        self._reason = ""
        self._cancelled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> "asyncio.Task[None]":
        self._task = asyncio.create_task(self._run(), name=f"response {self.id}")
        return self._task

    @property
    def active(self) -> bool:
        return self._task is not None and not self._task.done()

    async def cancel(self, reason: str) -> None:
        """`turn_detected` or `client_cancelled`."""
        if self._task is not None and self.active:
            self._reason = self._reason or reason
            self._cancelled.set()
            await asyncio.wait([self._task])

    async def wait(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        for _ in range(TIMES[self.session.link.script.begins]):
            await self._send("response.created", response=self._body("in_progress"))
        if not self.reply.failure:
            for index, tool in enumerate(self.reply.tools):
                await self._call(tool, index)
            if not self.reply.tools:
                await self._answer()
        status = "completed"
        details: Json | None = None
        if self._cancelled.is_set():
            status, details = "cancelled", {"type": "cancelled", "reason": self._reason}
        elif self.reply.failure:
            error = {"type": "server_error", "code": self.reply.failure, "message": "The server had an error."}
            status, details = "failed", {"type": "failed", "error": error}
        elif self.reply.incomplete:
            status, details = "incomplete", {"type": "incomplete", "reason": self.reply.incomplete}
        for _ in range(TIMES[self.session.link.script.ends]):
            await self._send("response.done", response=self._body(status, details))
        limits = [{"name": "tokens", "limit": 40_000, "remaining": 39_000, "reset_seconds": 1.5}]
        await self._send("rate_limits.updated", rate_limits=limits)
        await self.session.response_ended()

    def _body(self, status: str, details: Json | None = None) -> Json:
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": self.output,
            "conversation_id": self.session.conversation_id if self.in_conversation else None,
            "metadata": self.asked.get("metadata"),
            "usage": None if status == "in_progress" else self._usage(),
            **self.session.dialect.response_fields(self.session.settings, self.asked),
        }

    def _usage(self) -> Json:
        heard, spoken = self.session.dialect.token_details
        text, audio = len(self.said.split()), len(self.said.split()) * 4
        return {
            "total_tokens": 30 + text + audio,
            "input_tokens": 30,
            "output_tokens": text + audio,
            heard: {"text_tokens": 20, "audio_tokens": 10, "cached_tokens": 0},
            spoken: {"text_tokens": text, "audio_tokens": audio},
        }

    async def _send(self, type: str, **fields: Any) -> None:
        await self.session.send(type, **fields)

    async def _open_item(self, item: Json, index: int) -> None:
        await self._send("response.output_item.added", response_id=self.id, output_index=index, item=item)
        if self.in_conversation:
            await self.session.send_item("conversation.item.added", item, self.session.remember(item))

    async def _close_item(self, item: Json, index: int) -> None:
        if self.in_conversation:
            await self.session.send_item("conversation.item.done", item, self.session.remember(item))
        self.output.append(item)
        await self._send("response.output_item.done", response_id=self.id, output_index=index, item=item)

    async def _call(self, tool: ToolUse, index: int) -> None:
        call_id = self.session.new_id("call")
        item: Json = {"id": self.session.new_id("item"), "object": "realtime.item", "type": "function_call"}
        item |= {"status": "in_progress", "name": tool.name, "call_id": call_id, "arguments": ""}
        ids = {"response_id": self.id, "item_id": item["id"], "output_index": index, "call_id": call_id}
        await self._open_item(item, index)
        middle = len(tool.arguments) // 2
        for piece in (tool.arguments[:middle], tool.arguments[middle:]):
            await self._send("response.function_call_arguments.delta", delta=piece, **ids)
        done = {"arguments": tool.arguments, "name": tool.name}
        await self._send("response.function_call_arguments.done", **done, **ids)
        await self._close_item({**item, "status": "completed", "arguments": tool.arguments}, index)

    async def _answer(self) -> None:
        dialect = self.session.dialect
        spoken = dialect.speaks(self.session.settings, self.asked)
        item: Json = {"id": self.session.new_id("item"), "object": "realtime.item", "type": "message"}
        item |= {"status": "in_progress", "role": "assistant", "content": []}
        ids = {"response_id": self.id, "item_id": item["id"], "output_index": 0, "content_index": 0}
        key = "transcript" if spoken and dialect.name != "qwen" else "text"
        kind = "audio" if spoken else "text"
        await self._open_item(item, 0)
        await self._send("response.content_part.added", part={"type": kind, key: ""}, **ids)
        if spoken:
            await self._speak(ids)
        else:
            for piece in pieces(self.reply.text):
                if self._cancelled.is_set():
                    break
                self.said += piece
                await self._send("response.output_text.delta", delta=piece, **ids)
                await self._pause(0.01)
        if spoken:
            ends = ["response.output_audio.done", "response.output_audio_transcript.done"]
            for end in reversed(ends) if dialect.name == "qwen" else ends:
                await self._send(end, **({"transcript": self.said} if end.endswith("transcript.done") else {}), **ids)
        else:
            await self._send("response.output_text.done", text=self.said, **ids)
        await self._send("response.content_part.done", part={"type": kind, key: self.said}, **ids)
        content = {"type": dialect.audio_part, "transcript": self.said}
        if not spoken:
            content = {"type": dialect.text_part, "text": self.said}
        status = "incomplete" if self._cancelled.is_set() or self.reply.incomplete else "completed"
        await self._close_item({**item, "status": status, "content": [content]}, 0)

    async def _speak(self, ids: Json) -> None:
        encoding, rate_hz = self.session.dialect.output_format(self.session.settings)
        samples = np.frombuffer(self.reply.audio, "<i2")
        if rate_hz != OUTPUT_RATE_HZ:
            at = np.arange(len(samples) * rate_hz // OUTPUT_RATE_HZ) * OUTPUT_RATE_HZ / rate_hz
            samples = np.interp(at, np.arange(len(samples)), samples).astype(np.int16)
        data = encode(samples, encoding)
        bytes_per_s = rate_hz * (2 if encoding == "pcm" else 1)
        step = self.reply.delta_bytes or self.reply.delta_ms * bytes_per_s // 1000
        words, total, late = pieces(self.reply.text), math.ceil(len(data) / step), self.reply.late_deltas
        for number in range(total):
            if self._cancelled.is_set():
                if late == 0:
                    return
                late -= 1
            share = [round(n * len(words) / total) for n in (number, number + 1)]
            if piece := "".join(words[share[0] : share[1]]):
                self.said += piece
                await self._send("response.output_audio_transcript.delta", delta=piece, **ids)
            chunk = data[number * step : (number + 1) * step]
            if self.session.faults.bad_base64 and number % 2:
                await self._send("response.output_audio.delta", delta="*** not base64 ***", **ids)
            else:
                self.session.voiced(ids["item_id"], chunk, bytes_per_s)
                await self._send("response.output_audio.delta", delta=base64.b64encode(chunk).decode(), **ids)
            await self._pause(len(chunk) / bytes_per_s / self.reply.pace)

    async def _pause(self, seconds: float) -> None:
        """Real time over the pace, cut short by a cancellation."""
        try:
            await asyncio.wait_for(self._cancelled.wait(), seconds)
        except TimeoutError:
            return


def pieces(text: str) -> list[str]:
    """Deltas of a text: words, or single characters where a language does not write spaces between them."""
    return re.findall(r"[一-鿿。，？！]|[^\s一-鿿]+\s*|\s+", text)
