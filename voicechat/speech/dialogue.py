"""A dialogue service that can be given its words, used to read aloud.

The service speaks supplied words in place of its own answer to a turn, so every piece begins with a short typed turn
(Doubao: ChatTextQuery 501, then the pieces of ChatTTSText 500). Sessions are few and dear: one at a time speaks all.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol

from voicechat.errors import ConnectionFailed, Refused, VoicechatError
from voicechat.realtime import commands as cmd
from voicechat.realtime import events as ev
from voicechat.realtime.codec import Codec
from voicechat.realtime.opening import Opening
from voicechat.speech.base import Abilities, Interrupted, SpeechSettings
from voicechat.speech.sockets import Sockets, SpeechSocket
from voicechat.wire.network import ConnectRequest, Network

MAX_CHARS = 1000
TURN = "朗读"
"""What the typed turn says; its answer is never heard."""

ABILITIES = Abilities(speed=(0.5, 2.0))


class DialogueEndpoint(Protocol):
    """The provider whose dialogue it is."""

    @property
    def title(self) -> str: ...

    def request(self) -> ConnectRequest: ...

    def codec(self) -> Codec: ...

    def refusal(self, status: int | None, close_code: int | None, text: str) -> VoicechatError: ...


class DialogueSpeech:
    """Implements `base.SpeechService`. Pieces wait for each other; the sound comes faster than it plays."""

    max_chars = MAX_CHARS

    def __init__(self, endpoint: DialogueEndpoint, settings: SpeechSettings, network: Network = Network()):
        self._endpoint = endpoint
        self._settings = settings
        self._sockets = Sockets(endpoint.request(), endpoint.refusal, network)
        self._turn = asyncio.Lock()
        self.rate_hz = endpoint.codec().capabilities.output_rate_hz

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        async with self._turn, self._sockets.take() as socket:
            line = await self._open(socket) if socket.fresh else _Line(socket, socket.state, self._endpoint.title)
            await line.send(cmd.SendText(TURN), cmd.CreateResponse())
            await line.until(ev.ItemAdded)
            await line.send(cmd.CreateResponse(words=text))
            while True:
                event = await line.next()
                if isinstance(event, ev.AssistantAudio):
                    yield event.pcm
                elif isinstance(event, ev.ResponseFinished):
                    if event.status == "completed":
                        break
                    raise Interrupted(ConnectionFailed(f"{self._endpoint.title} broke the reading off.", event.message))
            socket.state = line.codec
            socket.keep()

    async def _open(self, socket: SpeechSocket) -> "_Line":
        line = _Line(socket, self._endpoint.codec(), self._endpoint.title)
        settings = self._settings
        config = cmd.SessionConfig(
            voice=settings.voice, turn_detection=None, language=settings.language, speed=settings.speed, source="text"
        )
        opening = Opening(config, service_speaks_first=line.codec.capabilities.emits_session_created)
        await line.send(*opening.begin())
        while not opening.done:
            await line.send(*opening.take(await line.next()))
        return line

    async def close(self) -> None:
        await self._sockets.close()


class _Line:
    """Commands and events over a socket."""

    def __init__(self, socket: SpeechSocket, codec: Codec, title: str):
        self.codec = codec
        self._socket = socket
        self._title = title
        self._events: list[ev.Event] = []

    async def send(self, *commands: cmd.Command) -> None:
        for command in commands:
            for frame in self.codec.encode(command):
                await self._socket.send(frame)
        for frame in self.codec.replies():
            await self._socket.send(frame)

    async def until(self, kind: type[ev.Event]) -> None:
        while not isinstance(await self.next(), kind):
            continue

    async def next(self) -> ev.Event:
        """The next event. A complaint of the service is raised."""
        while not self._events:
            self._events = self.codec.decode(await self._socket.receive())
            await self.send()
        event = self._events.pop(0)
        if isinstance(event, ev.ConfigureAgain):
            raise Refused(f"{self._title} refused: {event.reason}", "`voicechat voices` lists the voices of a model.")
        if isinstance(event, ev.ServiceError) and event.severity != "benign":
            if event.severity == "retry":
                raise Interrupted(ConnectionFailed(f"{self._title}: {event.message}", event.hint))
            raise Refused(f"{self._title} refused: {event.message}", event.hint)
        return event
