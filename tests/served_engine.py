"""The offline engine behind the server's half of the OpenAI dialect: what a gateway does, without a socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from voicechat.dialects.openai.server import Dialect, ServerCodec, ServerProfile
from voicechat.engine.engine import OfflineSettings, connect
from voicechat.engine.espeak import find_voice
from voicechat.realtime import events as ev
from voicechat.wire.transport import Closed, Transport

NOBODY = OfflineSettings(ollama_url="")
"""The companion answers, whoever listens at Ollama's port on this machine."""


class ServedEngine:
    """One session: `take` a client's frame, `frames` for the client come as they are told."""

    def __init__(self, engine: Transport, codec: ServerCodec):
        self.codec = codec
        self.frames: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._engine = engine

    async def take(self, frame: str | bytes) -> None:
        commands = self.codec.decode(frame)
        for reply in self.codec.replies():
            self.frames.put_nowait(reply)
        for command in commands:
            await self._engine.send(command)

    async def pump(self) -> None:
        try:
            while True:
                event = await self._engine.receive()
                for frame in self.codec.encode(event):
                    self.frames.put_nowait(frame)
                if isinstance(event, ev.SessionCreated):
                    await self._engine.send(self.codec.configure())
        except Closed:
            return


@asynccontextmanager
async def served_engine(
    settings: OfflineSettings = NOBODY, dialect: Dialect | None = None
) -> AsyncIterator[ServedEngine]:
    engine = connect(settings)
    knows: Callable[[str], bool] = lambda voice: find_voice(voice) is not None  # noqa: E731
    profile = ServerProfile(
        settings.model, settings.voice, knows, "espeak-ng's languages, such as 'en-us' and 'en-gb+f3'"
    )
    served = ServedEngine(engine, ServerCodec(profile, dialect))
    await engine.connect()
    pump = asyncio.create_task(served.pump())
    try:
        yield served
    finally:
        pump.cancel()
        await asyncio.wait({pump})
        await engine.close()
