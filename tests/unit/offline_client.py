"""A client of the offline engine behind the server codec: sends GA events, checks every answer by official types."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from tests.recordings import pcm, speech
from tests.served_engine import NOBODY, ServedEngine, served_engine
from voicechat.engine.engine import OfflineSettings

Json = dict[str, Any]
SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
QUESTIONS = Path(__file__).parents[2] / "voicechat" / "engine" / "questions"


class Client:
    def __init__(self, served: ServedEngine):
        self._served = served
        self.events: list[Json] = []

    async def send(self, kind: str, **fields: Any) -> None:
        await self._served.take(json.dumps({"type": kind, **fields}))

    async def raw(self, frame: str | bytes) -> None:
        await self._served.take(frame)

    async def next(self) -> Json:
        async with asyncio.timeout(20):
            event: Json = json.loads(await self._served.frames.get())
        parsed = SERVER_EVENT.validate_python(event)
        assert parsed.type == event["type"]
        self.events.append(event)
        return event

    async def until(self, kind: str, where: Callable[[Json], bool] = lambda event: True) -> Json:
        while True:
            event = await self.next()
            if event["type"] == kind and where(event):
                return event
            assert event["type"] != "error" or kind == "error", event

    async def update(self, **session: Any) -> Json:
        await self.send("session.update", session={"type": "realtime", **session})
        return await self.until("session.updated")

    async def say(self, text: str) -> Json:
        """A text turn: the `response.done`."""
        part = {"type": "input_text", "text": text}
        await self.send("conversation.item.create", item={"type": "message", "role": "user", "content": [part]})
        await self.send("response.create")
        return await self.until("response.done")

    async def speak(self, pcm: bytes, step_ms: int = 20) -> None:
        step = step_ms * 48
        for start in range(0, len(pcm), step):
            audio = base64.b64encode(pcm[start : start + step]).decode()
            await self.send("input_audio_buffer.append", audio=audio)

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def of(self, kind: str) -> list[Json]:
        return [event for event in self.events if event["type"] == kind]


@asynccontextmanager
async def session(settings: OfflineSettings = NOBODY) -> AsyncIterator[Client]:
    async with served_engine(settings, "ga") as served:
        client = Client(served)
        assert (await client.next())["type"] == "session.created"
        yield client


def recording(path: Path, silence_ms: int = 2000) -> bytes:
    """24 kHz s16le of a recording, with silence after it."""
    return pcm(speech(path, 24_000)) + bytes(silence_ms * 48)


def spoken_text(response: Json) -> str:
    return " ".join(part["transcript"] for item in response["output"] for part in item["content"])
