"""The engine: recogniser, answerer and synthesiser put together behind a transport of commands and events."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from voicechat.engine.added import not_understood
from voicechat.engine.answerer import Answerer
from voicechat.engine.builtin import any_installed, not_installed
from voicechat.engine.chat import (
    OLLAMA_URL,
    ChatAnswerer,
    ChatEndpoint,
    ollama_models,
    ollama_trouble,
    talker,
)
from voicechat.engine.companion import Companion
from voicechat.engine.ear import ProcessEar
from voicechat.engine.forks import ForkServer
from voicechat.engine.session import EngineSession
from voicechat.engine.smart_turn import SmartTurn
from voicechat.engine.voices import DEFAULT_VOICE, LocalVoices
from voicechat.realtime.codec import Parcel
from voicechat.wire.memory import MemoryTransport
from voicechat.wire.transport import Transport


@dataclass(frozen=True, slots=True)
class OfflineSettings:
    """Who answers: the chat endpoint at `chat_url`; without one, Ollama at `ollama_url` if it is there; else the
    companion. An empty `chat_model` means the first model listed; an empty `ollama_url` asks nobody."""

    chat_url: str = ""
    chat_model: str = ""
    chat_key: str = field(default="", repr=False)
    ollama_url: str = OLLAMA_URL
    ca_file: str = ""
    """Authorities that vouch for the chat endpoint (PEM file); "" are the system's."""
    voice: str = DEFAULT_VOICE
    """Where the session's configuration names none."""
    ears: str = ""
    """A model that the user added, by its name or folder; "" is what is built in."""
    turns: str = ""
    """What finds the ends of turns besides the words, by its name or folder; "" is nothing."""
    language: str = ""
    """What is spoken, for ears that know several; "" lets them find out."""
    forks: ForkServer | None = field(default=None, repr=False)
    """Where recognisers come from that several sessions share as much of as they can."""

    @property
    def model(self) -> str:
        return (self.chat_model or "chat") if self.chat_url else Companion.model


class OfflineEngine:
    """Serves conversations, one per `serve`: commands come in by the transport, events go out."""

    def __init__(self, settings: OfflineSettings | None = None):
        self._settings = settings or OfflineSettings()

    async def serve(self, transport: Transport) -> None:
        """One session, to its end. Models load meanwhile. Raises ConfigError when the extra is not installed."""
        require()
        troubles: asyncio.Queue[str] = asyncio.Queue()
        settings = self._settings
        if deaf := not_understood(settings.ears, settings.language):
            troubles.put_nowait(deaf)
        ear = ProcessEar(troubles.put_nowait, added=settings.ears, language=settings.language, forks=settings.forks)
        synthesiser = LocalVoices(troubles.put_nowait)
        synthesiser.prepare()
        ends = SmartTurn(settings.turns, troubles.put_nowait) if settings.turns else None
        answerer = asyncio.create_task(self._answerer(troubles.put_nowait), name="offline-answerer")
        loading = [asyncio.create_task(synthesiser.load(settings.voice), name="offline-voice")]
        if ends is not None:
            loading.append(asyncio.create_task(ends.load(), name="offline-turns"))
        try:
            ear.start()
            session = EngineSession(
                transport, ear, answerer, synthesiser, settings.model, settings.voice, troubles, ends
            )
            await session.run()
        finally:
            answerer.cancel()
            await asyncio.wait({answerer})
            if not answerer.cancelled() and answerer.exception() is None:
                await answerer.result().close()
            await synthesiser.close()
            if ends is not None:
                await ends.close()
            await asyncio.wait(loading)
            await ear.close()
            await transport.close()

    async def _answerer(self, tell: Callable[[str], None]) -> Answerer:
        settings = self._settings
        companion = Companion()
        if settings.chat_url:
            endpoint = ChatEndpoint(settings.chat_url, settings.chat_model, settings.chat_key, settings.ca_file)
        else:
            listed = await ollama_models(settings.ollama_url) if settings.ollama_url else []
            if settings.chat_model and (trouble := ollama_trouble(settings.chat_model, listed)):
                tell(trouble)
            if not listed:
                return companion
            endpoint = ChatEndpoint(settings.ollama_url, settings.chat_model or talker(listed))
        answerer = ChatAnswerer(endpoint, companion, tell)
        await answerer.prepare()
        return answerer


def connect(settings: OfflineSettings | None = None) -> Transport:
    """The client's end of a session with an engine of its own; closing it ends the engine.

    Raises ConfigError when the extra is not installed.
    """
    require()
    return _EngineTransport(OfflineEngine(settings))


def require() -> None:
    """Raises ConfigError when the extra is not installed; imports nothing."""
    from importlib.util import find_spec

    if not any_installed() or find_spec("espeakng_loader") is None:
        raise not_installed()


class _EngineTransport:
    """The client's end. `connect` starts the engine on the running loop, `close` waits until it has ended."""

    trace = ""
    round_trip_ms: float | None = None

    def __init__(self, engine: OfflineEngine):
        self._engine = engine
        self._near, self._far = MemoryTransport.pair()
        self._task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._engine.serve(self._far), name="offline-engine")

    async def send(self, frame: Parcel) -> None:
        await self._near.send(frame)

    def send_now(self, frame: Parcel) -> bool:
        return self._near.send_now(frame)

    async def receive(self) -> Parcel:
        return await self._near.receive()

    async def close(self) -> None:
        await self._near.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                raise error
